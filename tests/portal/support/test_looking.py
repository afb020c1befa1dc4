"""View as: staff sees what a person sees, says why, and can do nothing."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from portal.accounts.models import Membership, Organization
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections import fix_links
from portal.core import readonly
from portal.jobs.models import Look as Visit
from portal.mirror.models import Job
from portal.support import looking
from portal.support.models import Look
from tests.cast import Cast
from tests.factories import OrganizationFactory

WHY = "Remy says that a requisition is missing"
JOBS = reverse("jobs:list")


def _look(client, member: Membership, reason: str = WHY):
    return client.post(reverse("admin:look_begin", args=[member.pk]), {"reason": reason})


def _words_of_log(organization: Organization) -> list[str]:
    entries = Entry.objects.filter(organization=organization, verb__startswith="look.")
    return list(entries.order_by("id").values_list("words", flat=True))


def test_cas_sees_exactly_what_remy_sees(connect, cast: Cast, sign_in) -> None:
    connect()
    cas, remy = sign_in(cast.cas), sign_in(cast.remy)
    assert _look(cas, cast.remy).url == reverse("home")

    def titles(client) -> set[str]:
        return {row.job.name for row in client.get(JOBS).context["rows"]}

    assert titles(cas) == titles(remy) != set()
    [job, *_] = Job.objects.filter(name__in=titles(remy), status="open")
    assert cas.get(reverse("applications:of_job", args=[job.pk])).status_code == 200
    assert not Visit.objects.exists(), "what Remy has seen is for Remy to say"
    page = cas.get(JOBS).content.decode()
    assert "You see what Remy sees" in page
    assert WHY in page


def test_nothing_can_be_done_meanwhile(connect, cast: Cast, sign_in) -> None:
    connection = connect()
    cas = sign_in(cast.cas)
    syncs = connection.syncs.count()
    _look(cas, cast.ada)
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


def test_a_set_up_that_nobody_has_begun_is_looked_at_and_not_begun(cast: Cast, sign_in) -> None:
    cas, zoe = sign_in(cast.cas), sign_in(cast.zoe)
    _look(cas, cast.zoe)
    for client in (cas, zoe):
        for name in ("setup", "before", "credential", "live", "fix_links", "rotation"):
            answer = client.get(reverse(f"onboarding:{name}"))
            assert answer.status_code in {200, 302}, name
    assert not hasattr(Organization.objects.get(pk=cast.zoe.organization_id), "connection")
    zoe.post(reverse("onboarding:before"), {"ready": ["site_admin"]})
    begun = Organization.objects.get(pk=cast.zoe.organization_id).connection
    assert begun.prepared == ["site_admin"]


def test_a_page_that_would_write_on_the_way_does_not_open(connect, cast: Cast, sign_in) -> None:
    """A link for whoever manages Greenhouse notes when it was opened first."""
    link, token = fix_links.make(connect(), ["jobs.list"], by=cast.ada.user)
    cas = sign_in(cast.cas)
    _look(cas, cast.ada)
    answer = cas.get(reverse("onboarding:fix", args=[token]))
    assert answer.status_code == 403
    assert "You are only looking" in answer.content.decode()
    link.refresh_from_db()
    assert link.opened_at is None


def test_the_database_takes_no_write_while_somebody_looks(cast: Cast) -> None:
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
def test_every_page_of_an_admin_opens_for_whoever_looks_as_one(
    connect, cast: Cast, sign_in, name: str
) -> None:
    connect()
    cas = sign_in(cast.cas)
    _look(cas, cast.ada)
    answer = cas.get(reverse(name))
    assert answer.status_code == 200
    assert answer.getvalue()


def test_what_the_person_may_not_open_stays_closed(connect, cast: Cast, sign_in) -> None:
    connect()
    cas = sign_in(cast.cas)
    _look(cas, cast.remy)
    assert cas.get(reverse("onboarding:permissions")).status_code == 403
    assert cas.get(reverse("audit:log")).status_code == 403


def test_the_customer_reads_when_it_began_and_ended_and_why(cast: Cast, sign_in) -> None:
    cas = sign_in(cast.cas)
    _look(cas, cast.remy)
    cas.post(reverse("admin:look_stop"))
    began, ended = _words_of_log(cast.remy.organization)
    assert began == f"began to look at the portal as Remy, read-only: {WHY}"
    assert ended == "no longer looks at the portal as Remy: was done"
    log = sign_in(cast.ada).get(reverse("audit:log")).content.decode()
    assert "Cas &lt;cas@portal.example&gt;" in log
    assert WHY in log
    assert "You see what" not in cas.get(reverse("home"), follow=True).content.decode()


@pytest.mark.parametrize("reason", ["", "because"])
def test_without_a_reason_nobody_looks(cast: Cast, sign_in, reason: str) -> None:
    cas = sign_in(cast.cas)
    assert _look(cas, cast.remy, reason).status_code == 422
    assert not Look.objects.exists()


def test_it_ends_by_the_clock(cast: Cast, sign_in, later) -> None:
    cas = sign_in(cast.cas)
    _look(cas, cast.remy)
    assert cas.get(JOBS).status_code == 200
    later(looking.LONGEST.total_seconds() + 1)
    assert cas.get(JOBS).status_code == 403, "Cas belongs to no organization"
    assert _words_of_log(cast.remy.organization)[1].endswith("the time was up")


def test_who_never_comes_back_no_longer_looks(cast: Cast, sign_in, later) -> None:
    _look(sign_in(cast.cas), cast.remy)
    looking.sweep()
    assert Look.objects.get().ended_at is None
    later(looking.LONGEST.total_seconds() + 1)
    looking.sweep()
    looking.sweep()
    assert len(_words_of_log(cast.remy.organization)) == 2


def test_signing_out_ends_it(cast: Cast, sign_in) -> None:
    cas = sign_in(cast.cas)
    _look(cas, cast.remy)
    assert cas.post(reverse("account_logout")).status_code == 302
    assert _words_of_log(cast.remy.organization)[1].endswith("signed out")


def test_who_loses_the_right_no_longer_looks(cast: Cast, sign_in) -> None:
    cas = sign_in(cast.cas)
    _look(cas, cast.remy)
    cast.cas.groups.clear()
    assert "You see what" not in cas.get(JOBS).content.decode()
    assert Look.objects.get().ended_at is not None


def test_nobody_looks_as_one_of_our_staff(cast: Cast, sign_in) -> None:
    inside = Membership.objects.create(user=cast.ola, organization=cast.ada.organization)
    answer = _look(sign_in(cast.cas), inside)
    assert answer.status_code == 422
    assert not Look.objects.exists()


def test_customers_cannot_look_as_anybody(cast: Cast, sign_in) -> None:
    for member in (cast.ada, cast.zoe):
        assert _look(sign_in(member), cast.remy).status_code == 302
    assert not Look.objects.exists()
    zoe = sign_in(cast.zoe)
    session = zoe.session
    session["look"] = 1
    session.save()
    assert "You see what" not in zoe.get(JOBS).content.decode()
