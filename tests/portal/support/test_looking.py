"""Impersonation: staff see what a member sees, give a reason and cannot change anything."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from portal.accounts.models import Membership, Organization
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections import fix_links
from portal.core import readonly
from portal.jobs.models import Look as LastViewed
from portal.mirror.models import Job
from portal.support import looking
from portal.support.models import Look
from tests.cast import Cast
from tests.factories import OrganizationFactory

REASON = "Remy says that a requisition is missing"
JOBS = reverse("jobs:list")


def _impersonate(client, member: Membership, reason: str = REASON):
    return client.post(reverse("admin:look_begin", args=[member.pk]), {"reason": reason})


def _log_entries(organization: Organization) -> list[str]:
    entries = Entry.objects.filter(organization=organization, verb__startswith="look.")
    return list(entries.order_by("id").values_list("words", flat=True))


def test_impersonation_shows_members_own_pages(connect, cast: Cast, sign_in) -> None:
    connect()
    cas, remy = sign_in(cast.cas), sign_in(cast.remy)
    assert _impersonate(cas, cast.remy).url == reverse("home")

    def job_titles(client) -> set[str]:
        return {row.job.name for row in client.get(JOBS).context["rows"]}

    assert job_titles(cas) == job_titles(remy) != set()
    [job, *_] = Job.objects.filter(name__in=job_titles(remy), status="open")
    assert cas.get(reverse("applications:of_job", args=[job.pk])).status_code == 200
    assert not LastViewed.objects.exists(), "impersonation must not mark jobs as viewed"
    page = cas.get(JOBS).content.decode()
    assert "You see what Remy sees" in page
    assert REASON in page


def test_impersonation_refuses_every_write(connect, cast: Cast, sign_in) -> None:
    connection = connect()
    cas = sign_in(cast.cas)
    syncs = connection.syncs.count()
    _impersonate(cas, cast.ada)
    for address in (
        reverse("onboarding:permissions"),
        reverse("onboarding:credential"),
        reverse("admin:accounts_organization_do", args=[connection.organization_id, "sync"]),
        reverse("admin:accounts_organization_add"),
        reverse("account_login"),
    ):
        for method in (cas.post, cas.put, cas.delete, cas.patch):
            answer = method(address)
            assert answer.status_code == 403, address
            assert "You are only looking" in answer.content.decode()
    assert connection.syncs.count() == syncs
    assert not ApplicationAction.objects.exists()


def test_impersonation_does_not_start_setup(cast: Cast, sign_in) -> None:
    cas, zoe = sign_in(cast.cas), sign_in(cast.zoe)
    _impersonate(cas, cast.zoe)
    for client in (cas, zoe):
        for name in ("setup", "before", "credential", "live", "fix_links", "rotation"):
            answer = client.get(reverse(f"onboarding:{name}"))
            assert answer.status_code in {200, 302}, name
    assert not hasattr(Organization.objects.get(pk=cast.zoe.organization_id), "connection")
    zoe.post(reverse("onboarding:before"), {"ready": ["site_admin"]})
    connection = Organization.objects.get(pk=cast.zoe.organization_id).connection
    assert connection.prepared == ["site_admin"]


def test_page_that_writes_on_read_is_refused(connect, cast: Cast, sign_in) -> None:
    """Opening a fix link would record the time of its first visit."""
    link, token = fix_links.make(connect(), ["jobs.list"], by=cast.ada.user)
    cas = sign_in(cast.cas)
    _impersonate(cas, cast.ada)
    answer = cas.get(reverse("onboarding:fix", args=[token]))
    assert answer.status_code == 403
    assert "You are only looking" in answer.content.decode()
    link.refresh_from_db()
    assert link.opened_at is None


def test_database_refuses_writes_during_impersonation(cast: Cast) -> None:
    with readonly.looking():
        assert Organization.objects.count() == 2
        for attempt in (
            lambda: OrganizationFactory(name="Third"),
            lambda: Organization.objects.update(name="x"),
            lambda: Organization.objects.all().delete(),
        ):
            with pytest.raises(PermissionDenied):
                attempt()
    assert not readonly.holds()
    assert Organization.objects.count() == 2


PAGES = (
    *("audit:log", "audit:export", "jobs:list", "jobs:why", "members:list", "mirror:history"),
    *("applications:my_activity", "webhooks:page", "onboarding:permissions", "onboarding:people"),
    *("onboarding:sync", "onboarding:live", "onboarding:fix_links"),
)


@pytest.mark.parametrize("name", PAGES)
def test_admin_page_opens_during_impersonation(connect, cast: Cast, sign_in, name: str) -> None:
    connect()
    cas = sign_in(cast.cas)
    _impersonate(cas, cast.ada)
    answer = cas.get(reverse(name))
    assert answer.status_code == 200
    assert answer.getvalue()


def test_members_own_limits_still_apply(connect, cast: Cast, sign_in) -> None:
    connect()
    cas = sign_in(cast.cas)
    _impersonate(cas, cast.remy)
    assert cas.get(reverse("onboarding:permissions")).status_code == 403
    assert cas.get(reverse("audit:log")).status_code == 403


def test_customer_log_names_start_end_and_reason(cast: Cast, sign_in) -> None:
    cas = sign_in(cast.cas)
    _impersonate(cas, cast.remy)
    cas.post(reverse("admin:look_stop"))
    began, ended = _log_entries(cast.remy.organization)
    assert began == f"began to look at the portal as Remy, read-only: {REASON}"
    assert ended == "no longer looks at the portal as Remy: was done"
    log = sign_in(cast.ada).get(reverse("audit:log")).content.decode()
    assert "Cas &lt;cas@portal.example&gt;" in log
    assert REASON in log
    assert "You see what" not in cas.get(reverse("home"), follow=True).content.decode()


@pytest.mark.parametrize("reason", ["", "because"])
def test_impersonation_requires_reason(cast: Cast, sign_in, reason: str) -> None:
    cas = sign_in(cast.cas)
    assert _impersonate(cas, cast.remy, reason).status_code == 422
    assert not Look.objects.exists()


def test_impersonation_ends_after_time_limit(cast: Cast, sign_in, later) -> None:
    cas = sign_in(cast.cas)
    _impersonate(cas, cast.remy)
    assert cas.get(JOBS).status_code == 200
    later(looking.LONGEST.total_seconds() + 1)
    assert cas.get(JOBS).status_code == 403, "Cas is in no organization"
    assert _log_entries(cast.remy.organization)[1].endswith("the time was up")


def test_sweep_ends_expired_impersonation(cast: Cast, sign_in, later) -> None:
    _impersonate(sign_in(cast.cas), cast.remy)
    looking.sweep()
    assert Look.objects.get().ended_at is None
    later(looking.LONGEST.total_seconds() + 1)
    looking.sweep()
    looking.sweep()
    assert len(_log_entries(cast.remy.organization)) == 2


def test_sign_out_ends_impersonation(cast: Cast, sign_in) -> None:
    cas = sign_in(cast.cas)
    _impersonate(cas, cast.remy)
    assert cas.post(reverse("account_logout")).status_code == 302
    assert _log_entries(cast.remy.organization)[1].endswith("signed out")


def test_lost_right_ends_impersonation(cast: Cast, sign_in) -> None:
    cas = sign_in(cast.cas)
    _impersonate(cas, cast.remy)
    cast.cas.groups.clear()
    assert "You see what" not in cas.get(JOBS).content.decode()
    assert Look.objects.get().ended_at is not None


def test_staff_cannot_be_impersonated(cast: Cast, sign_in) -> None:
    membership = Membership.objects.create(user=cast.ola, organization=cast.ada.organization)
    answer = _impersonate(sign_in(cast.cas), membership)
    assert answer.status_code == 422
    assert not Look.objects.exists()


def test_customers_cannot_impersonate(cast: Cast, sign_in) -> None:
    for member in (cast.ada, cast.zoe):
        assert _impersonate(sign_in(member), cast.remy).status_code == 302
    assert not Look.objects.exists()
    zoe = sign_in(cast.zoe)
    session = zoe.session
    session["look"] = 1
    session.save()
    assert "You see what" not in zoe.get(JOBS).content.decode()
