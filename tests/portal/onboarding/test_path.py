"""The path of set-up: where one is, going back, going on later, and the people's rehearsal."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership, User
from portal.connections.models import Connection
from portal.entitlements.rules import visible_jobs
from portal.members.models import Invitation
from portal.mirror.models import AtsUser, SyncRun
from portal.onboarding import journey, rehearsal, tasks
from tests.cast import Cast
from tests.conftest import V1, V3
from tests.factories import MembershipFactory

PEOPLE = "/set-up/people/"


def _now(client: Client) -> str:
    return str(client.get("/set-up/").url)


def test_it_begins_before_the_credential_and_keeps_the_ticks(
    cast: Cast, sign_in, client: Client
) -> None:
    ada = sign_in(cast.ada)
    assert _now(ada) == "/set-up/before/"
    ada.post("/set-up/before/", {"ready": ["site_admin"]}, HTTP_HX_REQUEST="true")
    assert ada.get("/set-up/before/").content.decode().count("checked") == 1
    assert _now(ada) == "/set-up/credential/"  # later, from wherever
    assert Connection.objects.get(organization=cast.ada.organization).prepared == ["site_admin"]


def test_each_step_opens_the_next_and_earlier_ones_stay_open(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    ada = sign_in(cast.ada)
    for early in ("permissions", "people", "sync", "live"):
        assert ada.get(f"/set-up/{early}/").status_code == 302
    ada.post("/set-up/credential/", V3)
    assert _now(ada) == "/set-up/permissions/"
    work()
    assert _now(ada) == "/set-up/live/"  # the first sync ran by itself meanwhile
    for step in ("before", "credential", "permissions", "people", "sync", "live"):
        page = ada.get(f"/set-up/{step}/")
        assert page.status_code == 200
        assert page.content.decode().count('aria-current="step"') == 1


def test_people_come_before_the_sync_until_they_were_looked_at(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    ada = sign_in(cast.ada)
    ada.post("/set-up/credential/", V3)
    connection = Connection.objects.get(organization=cast.ada.organization)
    tasks.check(connection.last_check.pk)  # the first sync is queued, and not begun
    assert _now(ada) == PEOPLE
    page = ada.get(PEOPLE).content.decode()
    assert "are being read" in page
    assert ada.post(PEOPLE).url == "/set-up/sync/"
    assert _now(ada) == "/set-up/sync/"


def test_an_expired_session_leads_back_to_the_step(cast: Cast, client: Client) -> None:
    answer = client.get("/set-up/permissions/")
    assert answer.url == f"{reverse('account_login')}?next=/set-up/permissions/"


# -- a value in the wrong form -----------------------------------------------------------------
def test_a_key_pasted_as_a_client_id_opens_the_form_of_keys(
    cast: Cast, sandbox: Sandbox, sign_in
) -> None:
    ada = sign_in(cast.ada)
    key = "0123456789abcdef0123456789abcdef-4"
    answer = ada.post("/set-up/credential/", {**V3, "client_id": key})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Here is the right form" in page
    assert 'name="api_key"' in page
    assert key not in page
    assert not sandbox.requests  # it was told without asking Greenhouse


def test_two_values_pasted_as_a_key_open_the_form_of_v3(
    cast: Cast, sandbox: Sandbox, sign_in
) -> None:
    pasted = f"{V3['client_id']} {V3['client_secret']}"
    answer = sign_in(cast.ada).post("/set-up/credential/", {**V1, "api_key": pasted})
    page = answer.content.decode()
    assert f'value="{V3["client_id"]}"' in page
    assert V3["client_secret"] not in page


# -- people -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "without",
    [set(), {"user_permissions.list_job_permissions"}],
    ids=["with grants", "by hiring team"],
)
def test_the_rehearsal_counts_what_each_will_see(
    connect, cast: Cast, kind: str, without: set[str]
) -> None:
    connection = connect(kind, without=without)
    mona = MembershipFactory(organization=connection.organization, user__email="mona@acme.example")
    User.objects.filter(pk=mona.user_id).update(email_confirmed_at=None)
    members = list(connection.organization.memberships.select_related("user"))
    for row in rehearsal.rows(connection, members):
        assert row.jobs == visible_jobs(row.membership).count(), row.membership


def test_each_member_reads_who_they_are_and_why(connect, cast: Cast, sign_in) -> None:
    connect()
    shan = MembershipFactory(user__email="shared@acme.example", organization=cast.ada.organization)
    rows = {
        row.membership.user.email.split("@")[0]: row
        for row in sign_in(cast.ada).get(PEOPLE).context["rows"]
    }
    assert rows["sam"].why.startswith("Site Admin")
    assert rows["remy"].why == "Job Admin of these in Greenhouse."
    assert rows["ivy"].jobs == 0
    assert rows["dana"].standing == "deactivated"
    assert rows["uma"].standing == "unmatched"
    assert rows["shared"].membership == shan
    assert rows["shared"].standing == "ambiguous"
    assert "shay" in rows["shared"].why.lower()


@pytest.mark.parametrize(
    ("email", "name", "why"),
    [
        ("remy@acme-group.example", "R", "same name, other domain"),
        ("remy+jobs@acme.example", "R", "an alias of the same address"),
        ("rl@elsewhere.example", "REMY", "same name, other address"),
    ],
    ids=["domain", "alias", "name"],
)
def test_near_misses_are_named(
    connect, cast: Cast, sign_in, email: str, name: str, why: str
) -> None:
    connect()
    remy = AtsUser.objects.get(primary_email="remy@acme.example")
    said = remy.name if name == "REMY" else name
    MembershipFactory(
        user__email=email, user__name=said.upper(), organization=cast.ada.organization
    )
    rows = sign_in(cast.ada).get(PEOPLE).context["rows"]
    (row,) = [row for row in rows if row.membership.user.email == email]
    assert [(near.user, near.why) for near in row.near] == [(remy, why)]


def test_recruiters_of_greenhouse_are_invited_from_the_table(
    connect, cast: Cast, sign_in, work
) -> None:
    connection = connect()
    ada = sign_in(cast.ada)
    somebody = rehearsal.not_here(connection).first()
    mail.outbox.clear()
    ada.post(f"{PEOPLE}invite/", {"user": [somebody.pk]})
    ada.post(f"{PEOPLE}invite/", {"user": [somebody.pk]})
    work()
    assert [message.to for message in mail.outbox] == [[somebody.primary_email]]
    assert Invitation.objects.get().role == Membership.Role.RECRUITER
    assert somebody.primary_email in ada.get(PEOPLE).context["invited"]


def test_who_is_here_already_is_not_offered(connect, cast: Cast) -> None:
    connection = connect()
    offered = set(rehearsal.not_here(connection).values_list("primary_email", flat=True))
    assert offered
    assert offered.isdisjoint({"ada@acme.example", "remy@acme.example", "dana@acme.example"})
    assert "ivy@acme.example" not in offered
    assert "basil@acme.example" not in offered  # would see nothing


def test_the_table_watches_while_people_are_read(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    ada = sign_in(cast.ada)
    ada.post("/set-up/credential/", V3)
    work()
    connection = Connection.objects.get(organization=cast.ada.organization)
    connection.syncs.create()  # a second one waits, with nothing read yet
    run = connection.syncs.first()
    run.steps.create(kind="users")
    page = ada.get(PEOPLE).content.decode()
    assert 'hx-trigger="every 2s"' in page
    run.steps.update(status="done")
    assert 'hx-trigger="every 2s"' not in ada.get(PEOPLE).content.decode()


def test_the_table_asks_as_many_questions_however_many_members(
    connect, cast: Cast, sign_in, django_assert_num_queries
) -> None:
    connect()
    ada = sign_in(cast.ada)
    from django.db import connection as database
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(database) as few:
        ada.get(PEOPLE)
    MembershipFactory.create_batch(12, organization=cast.ada.organization)
    with django_assert_num_queries(len(few)):
        ada.get(PEOPLE)


def test_zoe_and_recruiters_see_nothing_of_acmes_people(connect, cast: Cast, sign_in) -> None:
    connect()
    assert sign_in(cast.zoe).get(PEOPLE).url == "/set-up/before/"
    assert sign_in(cast.remy).get(PEOPLE).status_code == 403
    somebody = AtsUser.objects.first()
    sign_in(cast.zoe).post(f"{PEOPLE}invite/", {"user": [somebody.pk]})
    assert not Invitation.objects.exists()


def test_the_time_left_follows_from_the_pace_and_the_last_sync(
    connect, cast: Cast, sign_in, later
) -> None:
    connection = connect()
    run = journey.request_sync(connection, by=None)
    ada = sign_in(cast.ada)
    run.steps.update(expected=100)
    first, *others = run.steps.order_by("id")
    run.steps.filter(pk__in=[step.pk for step in others[1:]]).update(status="done", seen=0)
    run.steps.filter(pk=first.pk).update(status="done", seen=100)
    SyncRun.objects.filter(pk=run.pk).update(status="running", started_at=timezone.now())
    later(180)
    assert "about 3 minutes left" in ada.get("/set-up/sync/").content.decode()
    run.steps.update(expected=None)
    assert "left</div>" not in ada.get("/set-up/sync/").content.decode()
