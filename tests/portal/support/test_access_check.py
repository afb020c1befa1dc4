"""The staff page that explains why a member does not see a job."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.urls import reverse

from portal.sync.models import AtsUser, Job
from tests.factories import ConnectionFactory, MembershipFactory
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data


@pytest.fixture
def personas(db: None) -> Personas:
    return create_personas()


@pytest.fixture
def job(personas: Personas) -> Job:
    acme = ConnectionFactory(organization=personas.ada.organization, state="live")
    synced_data.create_user(acme, "remy@acme.example", name="Remy Laurent")
    return synced_data.create_job(acme, "Takeover lawyer", confidential=True)


PAGE = "/admin/sync/job/access-check/"
REMY = "Remy@acme.example"


def test_access_explained_without_confidential_name(job: Job, personas: Personas, sign_in) -> None:
    page = sign_in(personas.cas).get(PAGE, {"email": REMY, "job": job.remote_id}).content.decode()
    assert "A confidential requisition: not visible" in page
    assert "granted this account the requisition" in page
    assert "Takeover lawyer" not in page
    by_name = sign_in(personas.cas).get(PAGE, {"email": REMY, "job": "Takeover"}).content.decode()
    assert "No requisition found" in by_name


@pytest.mark.parametrize("name", ["ada", "zoe", "remy"])
def test_customers_cannot_open_access_page(
    job: Job, personas: Personas, sign_in, name: str
) -> None:
    answer = sign_in(getattr(personas, name)).get(PAGE, {"email": REMY, "job": job.remote_id})
    assert answer.status_code == 302
    assert "/admin/login/" in answer.url


def test_unknown_address_reported_next_to_field(personas: Personas, sign_in) -> None:
    answer = sign_in(personas.cas).get(PAGE, {"email": "nobody@acme.example", "job": "1"})
    assert answer.status_code == 422
    assert "No customer has a member with this email" in answer.content.decode()


def test_empty_address_reported_next_to_field(personas: Personas, sign_in) -> None:
    cas = sign_in(personas.cas)
    message = "Enter a member&#x27;s email."
    assert message not in cas.get(PAGE).content.decode()
    assert message in cas.get(PAGE, {"email": ""}).content.decode()


def test_customer_page_links_with_address_filled_in(job: Job, personas: Personas, sign_in) -> None:
    cas = sign_in(personas.cas)
    customer_page = cas.get(
        reverse("admin:accounts_organization_summary", args=[personas.ada.organization_id])
    )
    link = f"{PAGE}?email={quote(personas.remy.user.email)}"
    assert f'href="{link}"' in customer_page.content.decode()
    page = cas.get(link)
    assert page.status_code == 200
    assert f'value="{personas.remy.user.email}"' in page.content.decode()


def test_person_alone_shows_what_they_see(job: Job, personas: Personas, sign_in) -> None:
    remy = AtsUser.objects.get()
    synced_data.create_grant(remy, job)
    synced_data.create_grant(remy, synced_data.create_job(job.connection, "Welder"))
    page = sign_in(personas.cas).get(PAGE, {"email": REMY}).content.decode()
    assert "Sees 2 open requisitions, 1 of them confidential" in page
    assert "Welder" in page
    assert "Takeover lawyer" not in page
    assert "Not a Site Admin" in page


def test_member_of_two_customers_answered_for_each(job: Job, personas: Personas, sign_in) -> None:
    other = ConnectionFactory(organization=personas.zoe.organization, state="live")
    MembershipFactory(user=personas.remy.user, organization=personas.zoe.organization)
    synced_data.create_user(other, "remy@acme.example", name="Remy Laurent")
    other_job = synced_data.create_job(other, "Welder")
    page = (
        sign_in(personas.cas)
        .get(PAGE, {"email": REMY, "job": other_job.remote_id})
        .content.decode()
    )
    at_acme, at_other = page.split("at Other Inc<")
    assert "at Acme<" in at_acme
    assert "No requisition found" in at_acme
    assert "Welder: not visible" in at_other
