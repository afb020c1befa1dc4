"""The page where a customer's admin sees what is stored and answers data requests."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership, User
from portal.audit.models import Entry
from portal.sync.models import Candidate
from tests.personas import Personas

PAGE = reverse("privacy:your_data")
EXPORT_CANDIDATE = reverse("privacy:export_candidate")
ERASE_CANDIDATE = reverse("privacy:erase_candidate")


@pytest.fixture
def site_admin(connect, personas: Personas, sign_in):
    """A client of an admin who is a Site Admin in Greenhouse."""
    connect()
    Membership.objects.filter(pk=personas.sam.pk).update(role=Membership.Role.ADMIN)
    return sign_in(personas.sam)


def _get_candidate(**filters: object) -> Candidate:
    return Candidate.objects.filter(erased_at=None, gone_at=None, **filters).first()


def test_page_counts_stored_data(site_admin) -> None:
    page = site_admin.get(PAGE).content.decode()
    count = Candidate.objects.filter(gone_at=None).count()
    assert f">{count}<" in page
    assert "30 days after they&#x27;re deleted in Greenhouse." in page


def test_page_is_for_admins(personas: Personas, sign_in) -> None:
    assert sign_in(personas.remy).get(PAGE).status_code == 403


def test_member_export_is_audited(site_admin, personas: Personas) -> None:
    response = site_admin.post(reverse("privacy:export_member", args=[personas.remy.pk]))
    assert response["Content-Disposition"].endswith('.json"')
    assert json.loads(response.content)["person"]["email"] == "remy@acme.example"
    entry = Entry.objects.get(verb="member.exported")
    assert (entry.by, entry.subject_id) == (personas.sam.user, personas.remy.user_id)


def test_member_erased_after_typing_email(site_admin, personas: Personas) -> None:
    erase = reverse("privacy:erase_member", args=[personas.remy.pk])
    assert site_admin.post(erase, {"email": "vic@acme.example"}).status_code == 422
    assert not User.objects.exclude(erased_at=None).exists()
    assert site_admin.post(erase, {"email": "Remy@acme.example"}).url == PAGE
    assert User.objects.exclude(erased_at=None).get().pk == personas.remy.user_id
    assert Entry.objects.get(verb="user.erased").by == personas.sam.user


def test_own_account_is_not_erased(site_admin, personas: Personas) -> None:
    erase = reverse("privacy:erase_member", args=[personas.sam.pk])
    assert "Ask another admin" in site_admin.post(erase, {"email": "x"}).content.decode()
    personas.sam.user.refresh_from_db()
    assert personas.sam.user.erased_at is None


@pytest.mark.parametrize("is_staff", [False, True])
def test_shared_account_is_not_managed_here(site_admin, personas: Personas, is_staff: bool) -> None:
    remy = personas.remy
    if is_staff:
        remy.user.is_staff = True
        remy.user.save()
    else:
        other = Membership._base_manager.exclude(organization=remy.organization).first()
        other.organization.memberships.create(user=remy.user)
    response = site_admin.post(reverse("privacy:export_member", args=[remy.pk]), follow=True)
    assert "Inbound Talent answers this request." in response.content.decode()
    site_admin.post(reverse("privacy:erase_member", args=[remy.pk]), {"email": remy.user.email})
    remy.user.refresh_from_db()
    assert remy.user.erased_at is None


def test_member_of_other_customer_is_unknown(site_admin, personas: Personas) -> None:
    other = Membership._base_manager.exclude(organization=personas.sam.organization).first()
    for name in ("export_member", "erase_member"):
        assert site_admin.post(reverse(f"privacy:{name}", args=[other.pk])).status_code == 404


def test_candidate_exported_by_page_address(site_admin) -> None:
    candidate = _get_candidate(private=False)
    address = f"https://acme.greenhouse.io/people/{candidate.remote_id}?application_id=7"
    response = site_admin.post(EXPORT_CANDIDATE, {"candidate": address})
    assert json.loads(response.content)["candidate"]["id"] == candidate.pk
    assert Entry.objects.get(verb="candidate.exported").subject_id == candidate.pk


@pytest.mark.parametrize("value", ["", "abc", "0", "-3", "9" * 30, "١٢٣", "1\x00"])
def test_odd_candidate_id_is_refused(site_admin, value: str) -> None:
    for url in (EXPORT_CANDIDATE, ERASE_CANDIDATE):
        assert site_admin.post(url, {"candidate": value}).status_code == 422


def test_private_candidate_is_like_unknown(site_admin) -> None:
    private = _get_candidate(private=True)
    pages = [
        site_admin.post(EXPORT_CANDIDATE, {"candidate": remote_id})
        for remote_id in (private.remote_id, 987654321)
    ]
    for page in pages:
        assert page.status_code == 422
        assert "Nothing is stored for this ID" in page.content.decode()


def test_candidate_needs_greenhouse_site_admin(connect, personas: Personas, sign_in) -> None:
    connect()
    Membership.objects.filter(pk=personas.remy.pk).update(role=Membership.Role.ADMIN)
    remy = sign_in(personas.remy)
    candidate = _get_candidate(private=False)
    assert "Only members who are Site Admins" in remy.get(PAGE).content.decode()
    response = remy.post(EXPORT_CANDIDATE, {"candidate": candidate.remote_id})
    assert response.status_code == 422
    assert candidate.last_name not in response.content.decode()


def test_candidate_erased_once_greenhouse_did(site_admin, sandbox: Sandbox) -> None:
    candidate = _get_candidate(private=False)
    data = {"candidate": candidate.remote_id}
    page = site_admin.post(ERASE_CANDIDATE, data)
    assert "Greenhouse still has this candidate." in page.content.decode()
    sandbox.run_mutation("delete_candidate", candidate_id=candidate.remote_id)
    response = site_admin.post(ERASE_CANDIDATE, data, follow=True)
    receipt = Entry.objects.get(verb="candidate.erased")
    assert f"entry {receipt.number} of the activity log" in response.content.decode()
    candidate.refresh_from_db()
    assert candidate.last_name == ""


def test_outage_erases_nothing(site_admin, sandbox: Sandbox, quick_retries) -> None:
    candidate = _get_candidate(private=False)
    sandbox.faults.add_fault("/v3", status=503, times=None)
    page = site_admin.post(ERASE_CANDIDATE, {"candidate": candidate.remote_id})
    assert page.status_code == 422
    assert "Nothing was erased." in page.content.decode()
    candidate.refresh_from_db()
    assert candidate.last_name
