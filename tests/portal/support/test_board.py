"""The board and a customer's page: who is stuck, why, and what to do next."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Organization, User
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.audit.record import record
from portal.connections.models import Connection
from portal.issues import book
from portal.issues.models import Issue
from portal.mirror.models import Application, Candidate, Job, SyncRun
from portal.notices import tell
from portal.support import board, watch
from tests.cast import Cast
from tests.conftest import FULL
from tests.factories import (
    ConnectionFactory,
    MembershipFactory,
    OrganizationFactory,
)
from tests.portal.entitlements import world

BOARD = reverse("admin:accounts_organization_changelist")


def _red(organization: Organization, key: str = "applications.reject") -> Issue:
    issue, _ = book.seen(
        organization,
        Issue.Cause.MISSING_PERMISSION,
        key=key,
        title="“Reject” is not ticked",
        words="Please tick it in Greenhouse.",
        severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Advancing works.",
    )
    return issue


def _desk(organization: Organization) -> str:
    return reverse("admin:accounts_organization_desk", args=[organization.pk])


def _names(page: str) -> list[str]:
    return [part.split(">", 1)[1].split("<")[0] for part in page.split('class="desk-name"')[1:]]


def test_who_needs_somebody_comes_first(cast: Cast, sign_in) -> None:
    for name in ("Aardvark", "Bison", "Cheetah"):
        ConnectionFactory(organization=OrganizationFactory(name=name), state="live")
    stalled = OrganizationFactory(
        name="Zebra", created_at=timezone.now() - board.STALLED_AFTER - timedelta(hours=1)
    )
    _red(Organization.objects.get(name="Cheetah"))
    page = sign_in(cast.cas).get(BOARD).content.decode()
    assert _names(page)[:2] == ["Cheetah", stalled.name]
    assert "“Reject” is not ticked" in page
    assert "Set-up has stood still at “Credential”" in page
    only = sign_in(cast.cas).get(BOARD, {"attention": "stalled"}).content.decode()
    assert _names(only) == ["Zebra"]
    today = sign_in(cast.cas).get(reverse("admin:index")).content.decode()
    assert "Zebra" in today


@pytest.mark.parametrize(
    ("column", "first"),
    [
        ("unmatched", "Acme"),
        ("missing", "Acme"),
        ("failures", "Acme"),
        ("last_good_sync", "Acme"),
        ("number_of_issues", "Zebra"),
    ],
)
def test_it_is_sorted_by_what_a_column_says(
    connect, cast: Cast, sign_in, column: str, first: str
) -> None:
    connect(without={"applications.reject"})
    Issue.objects.all().delete()
    _red(OrganizationFactory(name="Zebra"))
    ApplicationAction.objects.create(
        application=Application.objects.first(),
        membership=cast.remy,
        kind="advance",
        status="failed",
    )
    cas = sign_in(cast.cas)
    shown = cas.get(BOARD).context["cl"].list_display.index(column)
    assert _names(cas.get(BOARD, {"o": f"-{shown}"}).content.decode())[0] == first
    assert _names(cas.get(BOARD, {"o": shown}).content.decode())[-1] == first


def test_it_is_searched_by_the_address_of_a_person(cast: Cast, sign_in) -> None:
    page = sign_in(cast.cas).get(BOARD, {"q": "remy@acme.example"}).content.decode()
    assert _names(page) == ["Acme"]


def test_a_live_customers_numbers(connect, cast: Cast, sign_in) -> None:
    connect(without={"applications.reject"})
    acme = cast.ada.organization
    standing = board.standings([acme])[acme.pk]
    assert standing.people == 7
    assert standing.missing >= 1
    assert {m.user.name for m in board.unmatched([acme.pk])} == {"Uma"}
    assert standing.last_good is not None
    assert not standing.late
    page = sign_in(cast.cas).get(_desk(acme)).content.decode()
    assert "no match in Greenhouse" in page


def test_what_was_not_read_for_long_is_late(connect, cast: Cast, later) -> None:
    connect()
    later(board.LATE_AFTER.total_seconds() + 60)
    acme = cast.ada.organization
    standing = board.standings([acme])[acme.pk]
    assert standing.late
    assert "Not read for" in standing.health


def test_all_is_well_lists_nobody_whose_data_is_old(cast: Cast, sign_in) -> None:
    cas, now = sign_in(cast.cas), timezone.now()
    for name, read in (("Late", 3 * 24), ("Never", None), ("Fresh", 0)):
        connection = ConnectionFactory(organization=OrganizationFactory(name=name), state="live")
        if read is not None:
            at = now - timedelta(hours=read)
            SyncRun.objects.create(connection=connection, status="done", finished_at=at)
    well = _names(cas.get(BOARD, {"attention": "none"}).content.decode())
    assert "Fresh" in well
    assert not {"Late", "Never"} & set(well)
    assert "Late" in cas.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize(
    ("users", "lost"),
    [([], True), ([{}], False), ([{}, {}], True), ([{"deactivated": True}], False)],
)
def test_whose_address_several_have_in_greenhouse_has_no_match(
    cast: Cast, sign_in, users: list[dict[str, bool]], lost: bool
) -> None:
    acme = cast.ada.organization
    connection = ConnectionFactory(organization=acme, state="live")
    world.user(connection, "somebody@acme.example")
    for fields in users:
        world.user(connection, "remy@acme.example", **fields)
    assert board.unmatched([acme.pk]).filter(pk=cast.remy.pk).exists() == lost
    assert board.standings([acme])[acme.pk].unmatched == 6 + lost
    watch.watch()
    assert ("remy@acme.example" in Issue.objects.get(cause="unmatched_people").words) == lost


@pytest.mark.parametrize(
    "before",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x"],
)
def test_a_moment_that_makes_no_sense_shows_the_newest(cast: Cast, sign_in, before: str) -> None:
    acme = cast.ada.organization
    record("a.deed", "did it", organization=acme)
    answer = sign_in(cast.cas).get(_desk(acme), {"before": before})
    assert answer.status_code == 200
    assert "did it" in answer.content.decode()


@pytest.mark.parametrize("address", ["board", "customer", "today"])
def test_no_page_asks_more_for_more_customers(cast: Cast, sign_in, address: str) -> None:
    acme, cas = cast.ada.organization, sign_in(cast.cas)
    _red(acme)
    url = {"board": BOARD, "customer": _desk(acme), "today": reverse("admin:index")}[address]

    def queries() -> int:
        with CaptureQueriesContext(
            database,
        ) as asked:
            assert cas.get(url).status_code == 200
        return len(asked)

    queries()
    few = queries()
    for number in range(12):
        member = MembershipFactory(organization=OrganizationFactory(name=f"Company {number}"))
        ConnectionFactory(organization=member.organization, state="action_needed")
        _red(member.organization)
        _red(acme, key=f"permission {number}")
        MembershipFactory(organization=acme)
    assert queries() == few


def test_an_issue_is_taken_and_put_aside(cast: Cast, sign_in) -> None:
    issue, cas = _red(cast.ada.organization), sign_in(cast.cas)
    change = reverse("admin:issues_issue_change", args=[issue.pk])
    tomorrow = timezone.now() + timedelta(days=1)
    cas.post(
        change,
        {
            "assigned_to": cast.cas.pk,
            "snoozed_until_0": f"{tomorrow:%Y-%m-%d}",
            "snoozed_until_1": f"{tomorrow:%H:%M:%S}",
            "note": "Called Ada.",
            "title": "nothing",
        },
        follow=True,
    )
    issue.refresh_from_db()
    assert (issue.assigned_to, issue.note) == (cast.cas, "Called Ada.")
    assert issue.title == "“Reject” is not ticked"
    listing = reverse("admin:issues_issue_changelist")
    assert issue.title not in cas.get(listing).content.decode()
    assert issue.title in cas.get(listing, {"standing": "mine"}).content.decode()
    standing = board.standings([cast.ada.organization])[cast.ada.organization_id]
    assert standing.issues == []
    assert "issue.handled" in Entry.objects.values_list("verb", flat=True)


def test_the_timeline_tells_the_story_and_can_be_narrowed(
    connect, cast: Cast, sign_in, later
) -> None:
    connect(without={"applications.reject"})
    acme, cas = cast.ada.organization, sign_in(cast.cas)
    _red(acme)
    later(1)
    page = cas.get(_desk(acme)).content.decode()
    for words in ("→ First sync", "Permissions checked", "Sync:", "Issue opened:", "missing now:"):
        assert words in page
    only = cas.get(_desk(acme), {"kind": "sync"}).content.decode()
    assert "Sync:" in only
    assert "Permissions checked" not in only
    assert cas.get(_desk(acme), {"before": "x", "kind": "y"}).status_code == 200
    early = cas.get(_desk(acme), {"before": "2020-01-01T00:00:00+00:00"}).content.decode()
    assert "Nothing of this kind and time" in early


@pytest.mark.parametrize("kind", ["harvest_oauth", "harvest_key"])
def test_a_bundle_holds_no_secret_and_nobodys_data(
    connect, cast: Cast, sign_in, kind: str, later
) -> None:
    connect(kind)
    acme, cas = cast.ada.organization, sign_in(cast.cas)
    _red(acme)
    book.seen(
        acme,
        Issue.Cause.SYNC_FAILING,
        title="Odd",
        words=f"Somebody pasted jane.doe@mail.example and {FULL[kind][list(FULL[kind])[-1]]}",
        severity=Issue.Severity.DEGRADED,
        fixer=Issue.Fixer.CSM,
    )
    later(1)
    address = reverse("admin:accounts_organization_bundle", args=[acme.pk])
    assert cas.get(address).status_code == 403, "a link alone takes nothing along"
    answer = cas.post(address)
    told, text = json.loads(answer.content), answer.content.decode()
    assert told["standing"]["people"] == 7
    assert told["connection"]["newest_check"]["results"]
    assert told["connection"]["requests"]
    assert told["timeline"]
    secrets = [FULL[kind][name] for name in FULL[kind] if name != "kind"]
    names = [n for c in Candidate.objects.all()[:200] for n in (f"{c.first_name} {c.last_name}",)]
    for word in [*secrets, *names, *Job.objects.values_list("name", flat=True)]:
        assert word not in text
    assert "@" not in text
    assert Entry.objects.filter(verb="support.bundle", organization=acme).exists()


def test_a_bundle_names_nobody_at_the_customer(cast: Cast, sign_in, later) -> None:
    acme, cas = cast.ada.organization, sign_in(cast.cas)
    marg = User.objects.create(email="marg@acme.example", name="Margarethe Vogelsang")
    MembershipFactory(user=marg, organization=acme)
    record("credential.entered", "entered a credential", organization=acme, by=marg)
    tell.tell([marg], acme, key="k", subject="Hello", words="Margarethe Vogelsang, look.")
    book.seen(
        acme, Issue.Cause.ACTING_USER_REFUSED, key="1:reject",
        title="Greenhouse does not let Margarethe Vogelsang “Reject”",
        words="In the name of marg@acme.example.", severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
    )  # fmt: skip
    _red(acme)
    later(1)
    desk = cas.get(_desk(acme)).content.decode()
    assert "Margarethe Vogelsang entered a credential" in desk
    assert "Told Margarethe Vogelsang" in desk
    answer = cas.post(reverse("admin:accounts_organization_bundle", args=[acme.pk]))
    text = answer.content.decode()
    assert "Vogelsang" not in text
    assert "marg@" not in text
    assert "Issue opened: “Reject” is not ticked" in json.loads(text)["timeline"][0]["words"]


def test_other_customers_stand_on_no_customers_page(connect, cast: Cast, sign_in) -> None:
    connect()
    _red(cast.ada.organization)
    page = sign_in(cast.cas).get(_desk(cast.zoe.organization)).content.decode()
    for word in ("Remy", "“Reject” is not ticked", "Permissions checked"):
        assert word not in page
    assert sign_in(cast.zoe).get(_desk(cast.zoe.organization)).status_code == 302
    assert Connection.objects.count() == 1
