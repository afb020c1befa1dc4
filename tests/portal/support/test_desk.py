"""The admin's front page, bulk actions, an issue's page, the setup funnel and charts."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.ats.client_context import Lane
from portal.accounts.models import Organization, User
from portal.audit.models import Entry
from portal.connections.client import open_interactive_provider
from portal.connections.models import ApiCall, Connection
from portal.core.models import Transition
from portal.issues import service
from portal.issues.models import Issue
from portal.support.access.roles import OPERATOR
from portal.support.customers import charts, customer_status, setup_funnel
from portal.sync.models import SyncRun
from tests.factories import ConnectionFactory, OrganizationFactory, UserFactory
from tests.personas import Personas

BOARD = reverse("admin:accounts_organization_changelist")
DESK = reverse("admin:index")
FUNNEL = reverse("admin:setup_funnel")


@pytest.fixture
def cas(personas: Personas, sign_in) -> Client:
    client: Client = sign_in(personas.cas)
    return client


def _open_issue(
    organization: Organization, cause: Issue.Cause = Issue.Cause.BAD_CREDENTIAL, **overrides: object
) -> Issue:
    values = {
        "title": "Credential rejected",
        "description": "Greenhouse answered 401.",
        "severity": Issue.Severity.CRITICAL,
        "fixer": Issue.Fixer.ADMIN,
        "still_works": "Synced data stays visible.",
        **overrides,
    }
    issue, _ = service.open_issue(organization, cause, **values)  # type: ignore[arg-type]
    return issue


def _read_section(page: str, heading: str) -> str:
    return page.split(f">{heading}</h2>")[1].split("</section>")[0]


def _create_operator() -> User:
    operator = UserFactory(email="operator@portal.example", is_staff=True)
    operator.groups.add(Group.objects.get(name=OPERATOR))
    return operator


# -- front page ------------------------------------------------------------------------------------


def test_desk_says_why_and_what_next(personas: Personas, cas: Client) -> None:
    acme = personas.ada.organization
    ConnectionFactory(organization=acme, state="action_needed")
    issue = _open_issue(acme)
    section = _read_section(cas.get(DESK).content.decode(), "Needs attention")
    assert "Acme" in section
    assert "Credential rejected" in section
    assert reverse("admin:issues_issue_send_message", args=[issue.pk]) in section
    assert f"{issue.first_seen_at:%-d %b %Y, %H:%M} UTC" in section


@pytest.mark.parametrize(
    ("severity", "reason", "step"),
    [
        (Issue.Severity.INFO, "Greenhouse permission missing", "Create a fix link"),
        (Issue.Severity.WARNING, "Greenhouse permission missing", "Create a fix link"),
        (Issue.Severity.CRITICAL, "Rate limit reached", "Who can fix it: Greenhouse."),
    ],
)
def test_next_step_answers_the_reason(
    connect, personas: Personas, cas: Client, severity: str, reason: str, step: str
) -> None:
    connect(without={"applications.reject"})
    values = {"severity": severity, "fixer": Issue.Fixer.GREENHOUSE, "title": "Rate limit reached"}
    _open_issue(personas.ada.organization, Issue.Cause.RATE_LIMIT, **values)
    section = _read_section(cas.get(DESK).content.decode(), "Needs attention")
    assert reason in section
    assert step in section


def test_desk_lists_stalled_setups_apart(cas: Client) -> None:
    long_ago = timezone.now() - customer_status.STALLED_AFTER - timedelta(hours=1)
    OrganizationFactory(name="Zebra", created_at=long_ago)
    page = cas.get(DESK).content.decode()
    assert "Setup stalled at “Credential”" in _read_section(page, "Stalled setups")
    assert "Zebra" not in _read_section(page, "Needs attention")


def test_stalled_setup_with_critical_issue_is_urgent(personas: Personas, cas: Client) -> None:
    long_ago = timezone.now() - timedelta(days=30)
    for number in range(20):
        OrganizationFactory(name=f"Draft {number}", created_at=long_ago)
    acme, stalled_at = personas.ada.organization, timezone.now() - timedelta(days=3)
    ConnectionFactory(organization=acme, state="action_needed", created_at=stalled_at)
    _open_issue(acme)
    page = cas.get(DESK).content.decode()
    assert ">Acme</a>" in _read_section(page, "Needs attention")
    assert ">Acme</a>" not in _read_section(page, "Stalled setups")
    assert "8 of 20 shown" in _read_section(page, "Stalled setups")


def test_desk_explains_its_numbers(personas: Personas, cas: Client) -> None:
    connection = ConnectionFactory(organization=personas.ada.organization, state="live")
    for status in (200, 403, 429, 503, None):
        ApiCall.objects.create(
            connection=connection, at=timezone.now(), method="GET", path="/v3/jobs",
            status=status, milliseconds=1, lane="sync",
        )  # fmt: skip
    text = re.sub(r"<[^>]+>", "", cas.get(DESK).content.decode())
    assert "5 requests to Greenhouse: 1 refused, 1 rate-limited, 2 failed" in text


@pytest.mark.parametrize(("query", "match"), [("acm", "Acme"), ("remy@acme", "Remy")])
def test_desk_finds_customers_and_people(cas: Client, query: str, match: str) -> None:
    page = cas.get(DESK, {"q": query}).content.decode()
    assert match in _read_section(page, "Search results")


def test_operator_searches_no_people(personas: Personas, sign_in) -> None:
    page = sign_in(_create_operator()).get(DESK, {"q": "remy"}).content.decode()
    assert "Nothing matches “remy”." in page
    assert "remy@acme.example" not in page


def test_operator_opens_own_issue_from_desk(personas: Personas, sign_in) -> None:
    issue = _open_issue(personas.ada.organization, fixer=Issue.Fixer.OPERATOR)
    operator = sign_in(_create_operator())
    link = reverse("admin:issues_issue_change", args=[issue.pk])
    assert link in _read_section(operator.get(DESK).content.decode(), "Needs attention")
    assert operator.get(link).status_code == 200


def test_all_records_have_common_names(cas: Client) -> None:
    page = cas.get(reverse("admin:all_records")).content.decode()
    for name in ("Sync runs", "API requests", "Webhook deliveries", "Impersonation log"):
        assert f">{name}</a>" in page
    assert "API requests" not in cas.get(DESK).content.decode()


# -- board -----------------------------------------------------------------------------------------


def _post_action(client: Client, action: str, *rows: Organization, **data: object) -> str:
    form = {"action": action, "_selected_action": [row.pk for row in rows], **data}
    return str(client.post(BOARD, form, follow=True).content.decode())


@pytest.mark.slow("connects a customer")
def test_bulk_sync_reports_each_customer(connect, personas: Personas, cas: Client) -> None:
    connection = connect()
    unconnected = OrganizationFactory(name="Zebra")
    page = _post_action(cas, "sync_now", connection.organization, unconnected)
    assert "Sync now: requested for Acme." in page
    assert "Zebra: No credential yet." in page
    assert connection.syncs.first().requested_by == personas.cas
    assert Entry.objects.filter(verb="support.sync_requested").count() == 1


def test_owner_assigned_and_filtered(personas: Personas, cas: Client) -> None:
    acme = personas.ada.organization
    page = _post_action(cas, "assign_owner", acme, owner=personas.cas.pk)
    assert "Assigned to Cas: Acme." in page
    acme.refresh_from_db()
    assert acme.owner == personas.cas
    mine = cas.get(BOARD, {"owner": "mine"}).content.decode()
    assert ">Acme</a>" in mine
    assert ">Other Inc</a>" not in mine
    assert Entry.objects.get(verb="support.owner_assigned").organization == acme
    assert "Owner removed: Acme." in _post_action(cas, "assign_owner", acme, owner="")


def test_member_cannot_own_customers(personas: Personas, cas: Client) -> None:
    _post_action(cas, "assign_owner", personas.ada.organization, owner=personas.remy.user_id)
    assert not Organization.objects.exclude(owner=None).exists()


# -- issue -----------------------------------------------------------------------------------------


def test_issue_page_explains_and_offers_actions(personas: Personas, cas: Client) -> None:
    issue = _open_issue(personas.ada.organization)
    page = cas.get(reverse("admin:issues_issue_change", args=[issue.pk])).content.decode()
    for text in (
        "Greenhouse answered 401.",
        "Synced data stays visible.",
        "An admin of the customer",
        'data-copy="message-text"',
        reverse("admin:issues_issue_send_message", args=[issue.pk]),
        f"{reverse('admin:runbook')}#bad_credential",
    ):
        assert text in page
    assert page.split("<title>")[1].split("</title>")[0].count(issue.title) == 1


# -- funnel ----------------------------------------------------------------------------------------


def _enter_state(connection: Connection, state: str, at: datetime) -> None:
    Transition.objects.create(
        subject="connections.connection", subject_id=connection.pk, old="draft", new=state,
        reason="test", at=at,
    )  # fmt: skip


def test_funnel_counts_steps_and_median(db: None, personas: Personas, cas: Client) -> None:
    Organization.objects.update(created_at=timezone.now() - timedelta(days=400))
    start = timezone.now() - timedelta(days=10)
    for name, hours in (("Fast", 2), ("Slow", 6)):
        live = ConnectionFactory(organization=OrganizationFactory(name=name, created_at=start))
        _enter_state(live, "checking", start + timedelta(hours=hours))
        _enter_state(live, "live", start + timedelta(hours=hours + 1))
    OrganizationFactory(name="Waiting", created_at=start)
    steps = setup_funnel.build_funnel()
    assert [step.reached_count for step in steps] == [3, 2, 2, 2]
    assert steps[1].median_time == timedelta(hours=4)
    assert [organization.name for organization, _ in steps[0].stopped] == ["Waiting"]
    page = cas.get(FUNNEL).content.decode()
    assert "Waiting" in page
    assert "median 4 hours" in page


# -- charts ----------------------------------------------------------------------------------------


def test_charts_count_syncs_and_requests(personas: Personas, cas: Client) -> None:
    connection = ConnectionFactory(organization=personas.ada.organization, state="live")
    for status in ("done", "failed", "failed"):
        SyncRun.objects.create(connection=connection, status=status, finished_at=timezone.now())
    ApiCall.objects.create(
        connection=connection, at=timezone.now(), method="GET", path="/v3/jobs", status=429,
        milliseconds=1, lane="sync", remaining=7,
    )  # fmt: skip
    syncs, requests = charts.build_charts(connection)
    assert syncs.rows[-1][1] == (1, 2)
    assert requests.rows[-1][1:] == ((0, 1, 0), (7,))
    assert [bar.height for bar in syncs.bars] == [33.33, 66.67]
    page = cas.get(
        reverse("admin:accounts_organization_summary", args=[connection.organization_id])
    ).content.decode()
    assert "1 completed, 2 failed" in page
    assert page.count("<rect") == 3


@pytest.mark.parametrize(
    ("highest", "limit", "limit_y", "bar"),
    [
        (50, 100, 0.0, 50.0),
        (200, 100, 50.0, 100.0),
        (10, 18000, None, 100.0),
        (10, None, None, 100.0),
    ],
)
def test_chart_draws_limit_near_bars(
    highest: int, limit: int | None, limit_y: float | None, bar: float
) -> None:
    chart = charts.BarChart(
        "requests", "Requests", "Hour", (charts.Series("Answered", "good"),),
        [("10:00", (highest,), ())], limit=limit,
    )  # fmt: skip
    assert (chart.limit_y, chart.bars[0].height) == (limit_y, bar)


@pytest.mark.parametrize("kind", ["harvest_key", "harvest_oauth"])
def test_request_chart_names_the_limit(connect, personas: Personas, cas: Client, kind: str) -> None:
    connection = connect(kind)
    with open_interactive_provider(connection.credential, lane=Lane.PEOPLE) as provider:
        provider.verify_credential()
    page = cas.get(
        reverse("admin:accounts_organization_summary", args=[connection.organization_id])
    ).content.decode()
    assert re.search(r"rate limit comes to [\d,]+ per hour", page)
