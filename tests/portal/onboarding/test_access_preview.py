"""The people step: a preview of everyone's access, and invitations."""

from __future__ import annotations

import pytest
from django.core import mail
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership, User
from portal.connections.models import Connection
from portal.entitlements.rules import visible_jobs
from portal.members.models import Invitation
from portal.onboarding import access_preview
from portal.sync.models import AtsUser, AtsUserEmail
from tests.conftest import V3
from tests.factories import MembershipFactory, UserFactory
from tests.personas import Personas

PEOPLE = "/setup/people/"


@pytest.mark.parametrize(
    "without",
    [set(), {"user_permissions.list_job_permissions"}],
    ids=["with grants", "by hiring team"],
)
def test_preview_counts_match_visible_jobs(
    connect, personas: Personas, kind: str, without: set[str]
) -> None:
    connection = connect(kind, without=without)
    mona = MembershipFactory(organization=connection.organization, user__email="mona@acme.example")
    User.objects.filter(pk=mona.user_id).update(email_confirmed_at=None)
    members = list(connection.organization.memberships.select_related("user"))
    for row in access_preview.build_preview_rows(connection, members):
        assert row.jobs == visible_jobs(row.membership).count(), row.membership


def test_preview_explains_each_members_access(connect, personas: Personas, sign_in) -> None:
    connect()
    shared = MembershipFactory(
        user__email="shared@acme.example", organization=personas.ada.organization
    )
    rows = {
        row.membership.user.email.split("@")[0]: row
        for row in sign_in(personas.ada).get(PEOPLE).context["rows"]
    }
    assert rows["sam"].reason.startswith("Site Admin")
    assert rows["remy"].reason == "Job Admin in Greenhouse."
    assert rows["ivy"].jobs == 0
    assert rows["dana"].status == "deactivated"
    assert rows["uma"].status == "unmatched"
    assert rows["shared"].membership == shared
    assert rows["shared"].status == "ambiguous"
    assert "shay" in rows["shared"].reason.lower()


@pytest.mark.parametrize(
    ("email", "name", "reason"),
    [
        ("remy@acme-group.example", "R", "same name, different domain"),
        ("remy+jobs@acme.example", "R", "an alias of the same address"),
        ("rl@elsewhere.example", "REMY", "same name, different address"),
    ],
    ids=["domain", "alias", "name"],
)
def test_near_misses_are_named(
    connect, personas: Personas, sign_in, email: str, name: str, reason: str
) -> None:
    connect()
    remy = AtsUser.objects.get(primary_email="remy@acme.example")
    display_name = remy.name if name == "REMY" else name
    MembershipFactory(
        user__email=email, user__name=display_name.upper(), organization=personas.ada.organization
    )
    rows = sign_in(personas.ada).get(PEOPLE).context["rows"]
    (row,) = [row for row in rows if row.membership.user.email == email]
    assert [(match.user, match.reason) for match in row.possible_matches] == [(remy, reason)]


def test_greenhouse_recruiters_invited_from_table(
    connect, personas: Personas, sign_in, run_tasks
) -> None:
    connection = connect()
    ada = sign_in(personas.ada)
    user = access_preview.list_uninvited_users(connection).first()
    mail.outbox.clear()
    ada.post(f"{PEOPLE}invite/", {"user": [user.pk]})
    ada.post(f"{PEOPLE}invite/", {"user": [user.pk]})
    run_tasks()
    assert [message.to for message in mail.outbox] == [[user.primary_email]]
    assert Invitation.objects.get().role == Membership.Role.RECRUITER
    assert user.primary_email in ada.get(PEOPLE).context["invited"]


def test_people_of_other_customers_are_asked_about(connect, personas: Personas, sign_in) -> None:
    connection = connect()
    ada = sign_in(personas.ada)
    other_user, new_user = access_preview.list_uninvited_users(connection)[:2]
    account = UserFactory(email=other_user.primary_email.lower())
    MembershipFactory(user=account, organization=personas.zoe.organization)
    answer = ada.post(f"{PEOPLE}invite/", {"user": [other_user.pk, new_user.pk]}, follow=True)
    assert [invitation.email for invitation in Invitation.objects.all()] == [
        new_user.primary_email.lower()
    ]
    assert "1 invitation sent." in answer.text
    assert "This person already uses Inbound Talent with another company." in answer.text
    ada.post(f"{PEOPLE}invite/", {"confirmed_user": [other_user.pk]})
    assert Invitation.objects.filter(email=account.email).exists()
    page = ada.get(PEOPLE, {"confirm": [other_user.pk, new_user.pk, "x"]})
    assert page.context["unconfirmed"] == [other_user]


@pytest.mark.parametrize("key", ["9" * 30, "9" * 5000, "²", "-1", ""])
def test_malformed_user_key_invites_nobody(connect, personas: Personas, sign_in, key: str) -> None:
    connect()
    answer = sign_in(personas.ada).post(f"{PEOPLE}invite/", {"user": [key]}, follow=True)
    assert "Select at least one person to invite." in answer.content.decode()
    assert not Invitation.objects.exists()


def test_existing_members_are_not_offered(connect, personas: Personas) -> None:
    connection = connect()
    offered = set(
        access_preview.list_uninvited_users(connection).values_list("primary_email", flat=True)
    )
    assert offered
    assert offered.isdisjoint({"ada@acme.example", "remy@acme.example", "dana@acme.example"})
    assert "ivy@acme.example" not in offered
    assert "basil@acme.example" not in offered  # Basil would see no job


def test_table_polls_while_users_are_read(
    personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    ada = sign_in(personas.ada)
    ada.post("/setup/credential/", V3)
    run_tasks()
    connection = Connection.objects.get(organization=personas.ada.organization)
    run = connection.syncs.get()
    run.steps.update(status="waiting")  # as during the first sync
    connection.syncs.update(status="running")
    page = ada.get(PEOPLE).content.decode()
    assert 'hx-trigger="every 2s"' in page
    run.steps.update(status="done")
    assert 'hx-trigger="every 2s"' not in ada.get(PEOPLE).content.decode()


def test_query_count_independent_of_members(
    connect, personas: Personas, sign_in, django_assert_num_queries
) -> None:
    connect()
    ada = sign_in(personas.ada)
    with CaptureQueriesContext(database) as baseline:
        ada.get(PEOPLE)
    MembershipFactory.create_batch(12, organization=personas.ada.organization)
    with django_assert_num_queries(len(baseline)):
        ada.get(PEOPLE)


def test_other_customers_and_recruiters_have_no_access(
    connect, personas: Personas, sign_in
) -> None:
    connect()
    assert sign_in(personas.zoe).get(PEOPLE).url == "/setup/start/"
    refusal = sign_in(personas.remy).get(PEOPLE)
    assert refusal.status_code == 403
    assert "Ask Ada if you need it." in refusal.content.decode()
    user = AtsUser.objects.first()
    sign_in(personas.zoe).post(f"{PEOPLE}invite/", {"user": [user.pk]})
    assert not Invitation.objects.exists()


# -- many users ----------------------------------------------------------------------------------
@pytest.fixture
def crowded_connection(connect) -> Connection:
    """Acme with 120 more Site Admins in Greenhouse."""
    connection: Connection = connect()
    users = AtsUser.objects.bulk_create(
        AtsUser(
            connection=connection,
            remote_id=900_000 + n,
            name=f"Number {n:03}",
            primary_email=f"number{n:03}@acme.example",
            site_admin=True,
        )
        for n in range(120)
    )
    AtsUserEmail.objects.bulk_create(
        AtsUserEmail(user=user, address=user.primary_email, primary=True) for user in users
    )
    return connection


def _offered_names(client: Client, query: str = "") -> list[str]:
    return [user.name for user in client.get(f"{PEOPLE}{query}").context["user_page"]]


def test_everyone_reachable_by_page(
    crowded_connection: Connection, personas: Personas, sign_in
) -> None:
    ada = sign_in(personas.ada)
    pages = [_offered_names(ada, f"?user_page={number}") for number in (1, 2, 3)]
    assert [len(page) for page in pages[:2]] == [50, 50]
    assert {name for page in pages for name in page} >= {f"Number {n:03}" for n in range(120)}
    response = ada.get(f"{PEOPLE}?user_page=2")
    page = response.content.decode()
    assert f'href="{escape(response.context["user_page"].next_url)}#not-invited"' in page
    assert f"51 to 100 of {access_preview.list_uninvited_users(crowded_connection).count()}" in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("number 117", ["Number 117"]),
        ("NUMBER118@ACME", ["Number 118"]),
        ("number 11 7", ["Number 117"]),
        ("nobody", []),
    ],
    ids=["name", "address", "words", "none"],
)
def test_people_found_by_name_or_address(
    crowded_connection: Connection, personas: Personas, sign_in, query: str, names: list[str]
) -> None:
    ada = sign_in(personas.ada)
    assert [n for n in _offered_names(ada, f"?q={query}") if n.startswith("Number")] == names
    if not names:
        assert "No matches for “nobody”" in ada.get(f"{PEOPLE}?q={query}").content.decode()


def test_invitation_returns_to_same_search(
    crowded_connection: Connection, personas: Personas, sign_in, run_tasks
) -> None:
    ada = sign_in(personas.ada)
    user = AtsUser.objects.get(name="Number 117")
    page = ada.get(f"{PEOPLE}?q=117").content.decode()
    assert f'action="{PEOPLE}invite/?q=117"' in page
    answer = ada.post(f"{PEOPLE}invite/?q=117&next=//evil", {"user": [user.pk]})
    assert answer.url == f"{PEOPLE}?q=117#not-invited"
    run_tasks()
    assert mail.outbox[-1].to == ["number117@acme.example"]
    assert ada.get(answer.url).context["invited"] == {"number117@acme.example"}


def test_expired_invitation_can_be_sent_again(
    crowded_connection: Connection, personas: Personas, sign_in, advance_clock, run_tasks
) -> None:
    ada = sign_in(personas.ada)
    user = AtsUser.objects.get(name="Number 000")
    for _ in range(2):
        ada.post(f"{PEOPLE}invite/", {"user": [user.pk]})
        advance_clock(8 * 24 * 3600)
        ada = sign_in(personas.ada)
        assert ada.get(f"{PEOPLE}?q=000").context["invited"] == set()
    run_tasks()
    assert Invitation.objects.count() == 2


def test_query_count_independent_of_greenhouse_users(
    crowded_connection: Connection, personas: Personas, sign_in
) -> None:
    ada = sign_in(personas.ada)

    def count_queries(query: str = "") -> int:
        with CaptureQueriesContext(database) as captured:
            assert ada.get(f"{PEOPLE}{query}").status_code == 200
        return len(captured)

    count_queries()
    baseline = count_queries()
    # A list of one page is not counted.
    assert count_queries("?q=117") == baseline - 1
    AtsUser.objects.filter(name__startswith="Number").exclude(name="Number 000").delete()
    assert count_queries() == baseline - 1


def test_hiring_teams_offered_without_access_rights(connect, personas: Personas) -> None:
    connection = connect(without={"user_permissions.list_job_permissions"})
    offered = set(
        access_preview.list_uninvited_users(connection).values_list("primary_email", flat=True)
    )
    on_teams = AtsUser.objects.filter(
        teams__job__status="open",
        teams__job__confidential=False,
        site_admin=False,
        deactivated=False,
    ).exclude(primary_email="")
    member_addresses = {
        f"{name}@acme.example" for name in ("ada", "sam", "remy", "vic", "uma", "dana", "ivy")
    }
    expected = set(on_teams.values_list("primary_email", flat=True)) - member_addresses
    assert expected
    assert expected <= offered
