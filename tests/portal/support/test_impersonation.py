"""Impersonation: staff see what a member sees, give a reason and cannot change anything."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from portal.accounts.models import Membership, Organization
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections.permissions import fix_links
from portal.core.database import read_only
from portal.jobs.models import LastViewed
from portal.support.impersonation import sessions
from portal.support.models import Impersonation
from portal.sync.models import Job
from tests.factories import OrganizationFactory
from tests.personas import Personas
from tests.portal.applications.action_helpers import build_action_url, list_applications

REASON = "Remy says that a requisition is missing"
JOBS = reverse("jobs:list")


def _impersonate(client, member: Membership, reason: str = REASON):
    return client.post(reverse("admin:start_impersonation", args=[member.pk]), {"reason": reason})


def _log_entries(organization: Organization) -> list[str]:
    entries = Entry.objects.filter(organization=organization, verb__startswith="impersonation.")
    return list(entries.order_by("id").values_list("description", flat=True))


def test_impersonation_shows_members_own_pages(connect, personas: Personas, sign_in) -> None:
    connect()
    cas, remy = sign_in(personas.cas), sign_in(personas.remy)
    assert _impersonate(cas, personas.remy).url == reverse("home")

    def job_titles(client) -> set[str]:
        return {row.job.name for row in client.get(JOBS).context["rows"]}

    assert job_titles(cas) == job_titles(remy) != set()
    [job, *_] = Job.objects.filter(name__in=job_titles(remy), status="open")
    assert cas.get(reverse("applications:job_detail", args=[job.pk])).status_code == 200
    assert not LastViewed.objects.exists(), "impersonation must not mark jobs as viewed"
    page = cas.get(JOBS).content.decode()
    assert "Viewing as Remy" in page
    assert REASON in page


def test_impersonation_refuses_every_write(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    cas = sign_in(personas.cas)
    syncs = connection.syncs.count()
    _impersonate(cas, personas.ada)
    for address in (
        reverse("onboarding:permissions"),
        reverse("onboarding:credential"),
        reverse(
            "admin:accounts_organization_run_action", args=[connection.organization_id, "sync"]
        ),
        reverse("admin:accounts_organization_add"),
        reverse("account_login"),
    ):
        for method in (cas.post, cas.put, cas.delete, cas.patch):
            answer = method(address)
            assert answer.status_code == 403, address
            assert "change anything while viewing as someone else" in answer.content.decode()
    assert connection.syncs.count() == syncs
    assert not ApplicationAction.objects.exists()


def test_impersonation_does_not_start_setup(personas: Personas, sign_in) -> None:
    cas, zoe = sign_in(personas.cas), sign_in(personas.zoe)
    _impersonate(cas, personas.zoe)
    for client in (cas, zoe):
        for name in ("setup", "start", "credential", "live", "fix_links", "rotation"):
            answer = client.get(reverse(f"onboarding:{name}"))
            assert answer.status_code in {200, 302}, name
    assert not hasattr(Organization.objects.get(pk=personas.zoe.organization_id), "connection")
    zoe.post(reverse("onboarding:start"), {"ready": ["site_admin"]})
    connection = Organization.objects.get(pk=personas.zoe.organization_id).connection
    assert connection.confirmed_requirements == ["site_admin"]


def test_page_that_writes_on_read_is_refused(connect, personas: Personas, sign_in) -> None:
    """Opening a fix link would record the time of its first visit."""
    link, token = fix_links.create_link(connect(), ["jobs.list"], by=personas.ada.user)
    cas = sign_in(personas.cas)
    _impersonate(cas, personas.ada)
    answer = cas.get(reverse("onboarding:fix", args=[token]))
    assert answer.status_code == 403
    assert "change anything while viewing as someone else" in answer.content.decode()
    link.refresh_from_db()
    assert link.opened_at is None


def test_database_refuses_writes_during_impersonation(personas: Personas) -> None:
    with read_only.forbid_writes():
        assert Organization.objects.count() == 2
        for attempt in (
            lambda: OrganizationFactory(name="Third"),
            lambda: Organization.objects.update(name="x"),
            lambda: Organization.objects.all().delete(),
        ):
            with pytest.raises(PermissionDenied):
                attempt()
    assert not read_only.is_read_only()
    assert Organization.objects.count() == 2


PAGES = (
    *(
        "audit:log",
        "audit:export_csv",
        "jobs:list",
        "jobs:explain_access",
        "members:list",
        "sync:history",
    ),
    *("applications:my_activity", "webhooks:setup", "onboarding:permissions", "onboarding:people"),
    *("onboarding:sync", "onboarding:live", "onboarding:fix_links"),
)


@pytest.mark.parametrize("name", PAGES)
def test_admin_page_opens_during_impersonation(
    connect, personas: Personas, sign_in, name: str
) -> None:
    connect()
    cas = sign_in(personas.cas)
    _impersonate(cas, personas.ada)
    answer = cas.get(reverse(name))
    assert answer.status_code == 200
    assert answer.getvalue()


def test_members_own_limits_still_apply(connect, personas: Personas, sign_in) -> None:
    connect()
    cas = sign_in(personas.cas)
    _impersonate(cas, personas.remy)
    assert cas.get(reverse("onboarding:permissions")).status_code == 403
    assert cas.get(reverse("audit:log")).status_code == 403


def test_customer_log_names_start_end_and_reason(personas: Personas, sign_in) -> None:
    cas = sign_in(personas.cas)
    _impersonate(cas, personas.remy)
    cas.post(reverse("admin:stop_impersonation"))
    began, ended = _log_entries(personas.remy.organization)
    assert began == f"started viewing the portal as Remy, read-only: {REASON}"
    assert ended == "stopped viewing the portal as Remy: ended by staff"
    log = sign_in(personas.ada).get(reverse("audit:log")).content.decode()
    assert "Cas &lt;cas@portal.example&gt;" in log
    assert REASON in log
    assert "Viewing as" not in cas.get(reverse("home"), follow=True).content.decode()


@pytest.mark.parametrize("reason", ["", "because"])
def test_impersonation_requires_reason(personas: Personas, sign_in, reason: str) -> None:
    cas = sign_in(personas.cas)
    assert _impersonate(cas, personas.remy, reason).status_code == 422
    assert not Impersonation.objects.exists()


def test_impersonation_ends_after_time_limit(personas: Personas, sign_in, advance_clock) -> None:
    cas = sign_in(personas.cas)
    _impersonate(cas, personas.remy)
    assert cas.get(JOBS).status_code == 200
    advance_clock(sessions.MAX_DURATION.total_seconds() + 1)
    assert cas.get(JOBS).status_code == 403, "Cas is in no organization"
    assert _log_entries(personas.remy.organization)[1].endswith("time limit reached")


def test_sweep_ends_expired_impersonation(personas: Personas, sign_in, advance_clock) -> None:
    _impersonate(sign_in(personas.cas), personas.remy)
    sessions.end_expired_impersonations()
    assert Impersonation.objects.get().ended_at is None
    advance_clock(sessions.MAX_DURATION.total_seconds() + 1)
    sessions.end_expired_impersonations()
    sessions.end_expired_impersonations()
    assert len(_log_entries(personas.remy.organization)) == 2


def test_sign_out_ends_impersonation(personas: Personas, sign_in) -> None:
    cas = sign_in(personas.cas)
    _impersonate(cas, personas.remy)
    assert cas.post(reverse("account_logout")).status_code == 302
    assert _log_entries(personas.remy.organization)[1].endswith("signed out")


def test_lost_right_ends_impersonation(personas: Personas, sign_in) -> None:
    cas = sign_in(personas.cas)
    _impersonate(cas, personas.remy)
    personas.cas.groups.clear()
    assert "Viewing as" not in cas.get(JOBS).content.decode()
    assert Impersonation.objects.get().ended_at is not None


def test_staff_cannot_be_impersonated(personas: Personas, sign_in) -> None:
    membership = Membership.objects.create(
        user=personas.ola, organization=personas.ada.organization
    )
    answer = _impersonate(sign_in(personas.cas), membership)
    assert answer.status_code == 422
    assert not Impersonation.objects.exists()


def test_customers_cannot_impersonate(personas: Personas, sign_in) -> None:
    for member in (personas.ada, personas.zoe):
        assert _impersonate(sign_in(member), personas.remy).status_code == 302
    assert not Impersonation.objects.exists()
    zoe = sign_in(personas.zoe)
    session = zoe.session
    session["impersonation"] = 1
    session.save()
    assert "Viewing as" not in zoe.get(JOBS).content.decode()


def test_staff_see_no_resumes(connect, personas: Personas, sign_in, sandbox) -> None:
    connect()
    cas = sign_in(personas.cas)
    _impersonate(cas, personas.remy)
    application = list_applications()[0]
    for name in ("resume", "download_resume", "prefetch_resume"):
        page = cas.get(build_action_url(name, application.pk)).content.decode()
        assert ("aren&#x27;t shown while you view" in page) == (name != "prefetch_resume")
    assert not [r for r in sandbox.requests if r.path.startswith("/attachments")]
