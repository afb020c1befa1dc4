"""The customer list and a customer's page for staff."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Organization, User
from portal.applications.models import ApplicationAction
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.issues import service
from portal.issues.models import Issue
from portal.notifications import notify
from portal.support.customers import customer_status, overview, unmatched_members
from portal.support.monitoring import monitors
from portal.sync.models import Application, Candidate, Job, SyncRun
from tests.conftest import FULL_CREDENTIALS
from tests.factories import ConnectionFactory, MembershipFactory, OrganizationFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data

BOARD = reverse("admin:accounts_organization_changelist")


def _open_issue(organization: Organization, key: str = "applications.reject") -> Issue:
    issue, _ = service.open_issue(
        organization,
        Issue.Cause.MISSING_PERMISSION,
        key=key,
        title="“Reject” is not ticked",
        description="Please tick it in Greenhouse.",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Advancing works.",
    )
    return issue


def _customer_url(organization: Organization) -> str:
    return reverse("admin:accounts_organization_summary", args=[organization.pk])


def _listed_names(page: str) -> list[str]:
    return [part.split(">", 1)[1].split("<")[0] for part in page.split('class="support-name"')[1:]]


def test_customers_needing_attention_come_first(personas: Personas, sign_in) -> None:
    for name in ("Aardvark", "Bison", "Cheetah"):
        ConnectionFactory(organization=OrganizationFactory(name=name), state="live")
    stalled = OrganizationFactory(
        name="Zebra", created_at=timezone.now() - customer_status.STALLED_AFTER - timedelta(hours=1)
    )
    _open_issue(Organization.objects.get(name="Cheetah"))
    page = sign_in(personas.cas).get(BOARD).content.decode()
    assert _listed_names(page)[:2] == ["Cheetah", stalled.name]
    assert "“Reject” is not ticked" in page
    assert "Setup stalled at “Credential”" in page
    stalled_page = sign_in(personas.cas).get(BOARD, {"attention": "stalled"}).content.decode()
    assert _listed_names(stalled_page) == ["Zebra"]
    index = sign_in(personas.cas).get(reverse("admin:index")).content.decode()
    assert "Zebra" in index


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
def test_list_sorts_by_column(connect, personas: Personas, sign_in) -> None:
    connect(without={"applications.reject"})
    Issue.objects.all().delete()
    _open_issue(OrganizationFactory(name="Zebra"))
    ApplicationAction.objects.create(
        application=Application.objects.first(),
        membership=personas.remy,
        kind="advance",
        status="failed",
    )
    cas = sign_in(personas.cas)
    columns = cas.get(BOARD).context["cl"].list_display
    for column, first in (
        ("unmatched_count", "Acme"),
        ("missing_permissions", "Acme"),
        ("failed_actions", "Acme"),
        ("last_good_sync", "Acme"),
        ("issue_count", "Zebra"),
    ):
        index = columns.index(column)
        descending = cas.get(BOARD, {"o": f"-{index}"}).content.decode()
        ascending = cas.get(BOARD, {"o": index}).content.decode()
        assert _listed_names(descending)[0] == _listed_names(ascending)[-1] == first, column


def test_list_searches_member_addresses(personas: Personas, sign_in) -> None:
    page = sign_in(personas.cas).get(BOARD, {"q": "remy@acme.example"}).content.decode()
    assert _listed_names(page) == ["Acme"]


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
def test_customer_summary_is_correct(connect, personas: Personas, sign_in) -> None:
    connect(without={"applications.reject"})
    acme = personas.ada.organization
    summary = overview.get_customer_statuses([acme])[acme.pk]
    assert summary.people_count == 7
    assert summary.missing_count >= 1
    assert {member.user.name for member in unmatched_members.list_unmatched_members([acme.pk])} == {
        "Uma"
    }
    assert summary.last_synced_at is not None
    assert not summary.is_outdated
    page = sign_in(personas.cas).get(_customer_url(acme)).content.decode()
    assert "no Greenhouse match" in page


def test_reason_for_attention_is_said_once(connect, personas: Personas, sign_in) -> None:
    connect()
    title = "1 person has no Greenhouse match"
    service.open_issue(
        personas.ada.organization,
        Issue.Cause.UNMATCHED_PEOPLE,
        title=title,
        description="Uma has none.",
        severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.ADMIN,
    )
    page = sign_in(personas.cas).get(reverse("admin:index")).content.decode()
    assert page.count(title) == 1
    assert "Compare the email addresses under People with those in Greenhouse." in page


def test_outdated_data_is_reported(connect, personas: Personas, advance_clock) -> None:
    connect()
    advance_clock(customer_status.OUTDATED_AFTER.total_seconds() + 60)
    acme = personas.ada.organization
    summary = overview.get_customer_statuses([acme])[acme.pk]
    assert summary.is_outdated
    assert "Not synced for" in summary.health


def test_healthy_list_excludes_outdated_customers(personas: Personas, sign_in) -> None:
    cas, now = sign_in(personas.cas), timezone.now()
    for name, hours_ago in (("Late", 3 * 24), ("Never", None), ("Fresh", 0)):
        connection = ConnectionFactory(organization=OrganizationFactory(name=name), state="live")
        if hours_ago is not None:
            finished_at = now - timedelta(hours=hours_ago)
            SyncRun.objects.create(connection=connection, status="done", finished_at=finished_at)
    healthy = _listed_names(cas.get(BOARD, {"attention": "none"}).content.decode())
    assert "Fresh" in healthy
    assert not {"Late", "Never"} & set(healthy)
    assert "Late" in cas.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize(
    ("users", "is_unmatched"),
    [
        ([], True),
        ([{}], False),
        ([{}, {}], True),
        ([{"deactivated": True}], False),
        ([{"deactivated": True}, {}], False),
        ([{"deactivated": True}, {}, {}], True),
        ([{"deactivated": True}, {"deactivated": True}], False),
    ],
)
def test_shared_address_counts_as_unmatched(
    personas: Personas, sign_in, users: list[dict[str, bool]], is_unmatched: bool
) -> None:
    acme = personas.ada.organization
    connection = ConnectionFactory(organization=acme, state="live")
    synced_data.create_user(connection, "somebody@acme.example")
    for fields in users:
        synced_data.create_user(connection, "remy@acme.example", **fields)
    assert (
        unmatched_members.list_unmatched_members([acme.pk]).filter(pk=personas.remy.pk).exists()
        == is_unmatched
    )
    assert overview.get_customer_statuses([acme])[acme.pk].unmatched_count == 6 + is_unmatched
    monitors.run_monitors()
    assert (
        "remy@acme.example" in Issue.objects.get(cause="unmatched_people").description
    ) == is_unmatched


@pytest.mark.parametrize(
    "before",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x"],
)
def test_senseless_timestamp_shows_newest_entries(personas: Personas, sign_in, before: str) -> None:
    acme = personas.ada.organization
    record_entry("a.deed", "did it", organization=acme)
    answer = sign_in(personas.cas).get(_customer_url(acme), {"before": before})
    assert answer.status_code == 200
    assert "did it" in answer.content.decode()


def test_query_count_independent_of_customers(personas: Personas, sign_in) -> None:
    acme, cas = personas.ada.organization, sign_in(personas.cas)
    ConnectionFactory(organization=acme, state="action_needed")
    _open_issue(acme)

    def count_queries() -> dict[str, int]:
        counts = {}
        for url in (BOARD, _customer_url(acme), reverse("admin:index")):
            with CaptureQueriesContext(database) as captured:
                assert cas.get(url).status_code == 200
            counts[url] = len(captured)
        return counts

    count_queries()
    baseline = count_queries()
    for number in range(12):
        member = MembershipFactory(organization=OrganizationFactory(name=f"Company {number}"))
        ConnectionFactory(organization=member.organization, state="action_needed")
        _open_issue(member.organization)
        _open_issue(acme, key=f"permission {number}")
        MembershipFactory(organization=acme)
    assert count_queries() == baseline


def test_issue_can_be_assigned_and_snoozed(personas: Personas, sign_in) -> None:
    issue, cas = _open_issue(personas.ada.organization), sign_in(personas.cas)
    change = reverse("admin:issues_issue_change", args=[issue.pk])
    tomorrow = timezone.now() + timedelta(days=1)
    cas.post(
        change,
        {
            "assigned_to": personas.cas.pk,
            "snoozed_until": f"{tomorrow:%Y-%m-%dT%H:%M}",
            "note": "Called Ada.",
            "title": "nothing",
        },
        follow=True,
    )
    issue.refresh_from_db()
    assert (issue.assigned_to, issue.note) == (personas.cas, "Called Ada.")
    assert issue.title == "“Reject” is not ticked"
    listing = reverse("admin:issues_issue_changelist")
    assert issue.title not in cas.get(listing).content.decode()
    assert issue.title in cas.get(listing, {"state": "mine"}).content.decode()
    summary = overview.get_customer_statuses([personas.ada.organization])[
        personas.ada.organization_id
    ]
    assert summary.issues == []
    assert "issue.updated" in Entry.objects.values_list("verb", flat=True)


@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
def test_timeline_shows_events_and_filters(
    connect, personas: Personas, sign_in, advance_clock
) -> None:
    connect(without={"applications.reject"})
    acme, cas = personas.ada.organization, sign_in(personas.cas)
    _open_issue(acme)
    advance_clock(1)
    page = cas.get(_customer_url(acme)).content.decode()
    for text in ("→ First sync", "Permissions checked", "Sync:", "Issue opened:", "now missing:"):
        assert text in page
    assert "now missing: harvest:applications:reject" in page
    assert re.search(r"Sync: up to date, took (less than )?\d+ s", page)
    sync_page = cas.get(_customer_url(acme), {"kind": "sync"}).content.decode()
    assert "Sync:" in sync_page
    assert "Permissions checked" not in sync_page
    assert cas.get(_customer_url(acme), {"before": "x", "kind": "y"}).status_code == 200
    old_page = cas.get(
        _customer_url(acme), {"before": "2020-01-01T00:00:00+00:00"}
    ).content.decode()
    assert "No matching events" in old_page


@pytest.mark.parametrize("kind", ["harvest_oauth", "harvest_key"])
def test_bundle_contains_no_secrets_or_personal_data(
    connect, personas: Personas, sign_in, kind: str, advance_clock
) -> None:
    connect(kind)
    acme, cas = personas.ada.organization, sign_in(personas.cas)
    secret = list(FULL_CREDENTIALS[kind].values())[-1]
    _open_issue(acme)
    service.open_issue(
        acme,
        Issue.Cause.SYNC_FAILING,
        title="Odd",
        description=f"Somebody pasted jane.doe@mail.example and {secret}",
        severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.CSM,
    )
    advance_clock(1)
    address = reverse("admin:accounts_organization_diagnostic_bundle", args=[acme.pk])
    assert cas.get(address).status_code == 403, "GET downloads nothing"
    answer = cas.post(address)
    bundle, text = json.loads(answer.content), answer.content.decode()
    assert bundle["status"]["people"] == 7
    assert bundle["connection"]["newest_check"]["results"]
    assert bundle["connection"]["requests"]
    assert bundle["timeline"]
    secrets = [FULL_CREDENTIALS[kind][name] for name in FULL_CREDENTIALS[kind] if name != "kind"]
    names = [f"{row.first_name} {row.last_name}" for row in Candidate.objects.all()[:200]]
    for word in [*secrets, *names, *Job.objects.values_list("name", flat=True)]:
        assert word not in text
    assert "@" not in text
    assert Entry.objects.filter(verb="support.bundle_downloaded", organization=acme).exists()


def test_bundle_names_no_customer_member(personas: Personas, sign_in, advance_clock) -> None:
    acme, cas = personas.ada.organization, sign_in(personas.cas)
    user = User.objects.create(email="marg@acme.example", name="Margarethe Vogelsang")
    MembershipFactory(user=user, organization=acme)
    record_entry("credential.entered", "entered a credential", organization=acme, by=user)
    notify.notify_users([user], acme, key="k", subject="Hello", body="Margarethe Vogelsang, look.")
    service.open_issue(
        acme,
        Issue.Cause.ACTING_USER_REFUSED,
        key="1:reject",
        title="Greenhouse denies Margarethe Vogelsang “Reject”",
        description="In the name of marg@acme.example.",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
    )
    _open_issue(acme)
    advance_clock(1)
    page = cas.get(_customer_url(acme)).content.decode()
    assert "Margarethe Vogelsang entered a credential" in page
    assert "Notified Margarethe Vogelsang" in page
    answer = cas.post(reverse("admin:accounts_organization_diagnostic_bundle", args=[acme.pk]))
    text = answer.content.decode()
    assert "Vogelsang" not in text
    assert "marg@" not in text
    assert "Issue opened: “Reject” is not ticked" in json.loads(text)["timeline"][0]["text"]


def test_customer_page_shows_only_its_customer(connect, personas: Personas, sign_in) -> None:
    connect()
    _open_issue(personas.ada.organization)
    page = sign_in(personas.cas).get(_customer_url(personas.zoe.organization)).content.decode()
    for word in ("Remy", "“Reject” is not ticked", "Permissions checked"):
        assert word not in page
    assert sign_in(personas.zoe).get(_customer_url(personas.zoe.organization)).status_code == 302
    assert Connection.objects.count() == 1
