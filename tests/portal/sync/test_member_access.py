"""Members' access is read first and often, everybody else's at night, with Harvest v1 once a week,
or when they join.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from integrations.greenhouse.client import harvest_v3
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.settings import Settings as SandboxSettings
from portal.connections.models import Connection
from portal.members import memberships
from portal.sync.engine import run_lifecycle
from portal.sync.models import AtsUser, JobGrant, RefreshRequest, SyncRun
from portal.sync.records.member_users import list_member_user_ids
from tests.factories import UserFactory
from tests.personas import Personas

Scope = SyncRun.Scope
many_users = pytest.mark.parametrize("sandbox", [{"users": 150}], indirect=True, ids=["150 users"])


@pytest.fixture
def run_sync(run_tasks) -> Callable[..., SyncRun]:
    def synced(connection: Connection, scope: str = Scope.PEOPLE) -> SyncRun:
        run = run_lifecycle.request_sync(connection, scope)
        run_tasks()
        run.refresh_from_db()
        return run

    return synced


def _select_open_grants() -> list[JobGrant]:
    grants = JobGrant.objects.filter(
        job_admin=True, gone_at=None, job__status="open", job__gone_at=None
    )
    return list(grants.select_related("user", "job").order_by("id"))


def _get_grant_of(email: str) -> JobGrant:
    return next(g for g in _select_open_grants() if g.user.primary_email == email)


def _get_outsiders_grant(connection: Connection) -> JobGrant:
    members = set(list_member_user_ids(connection))
    return next(
        g for g in _select_open_grants() if g.user.remote_id not in members and g.user.primary_email
    )


def _revoke(sandbox: Sandbox, grant: JobGrant) -> None:
    sandbox.run_mutation("remove_grant", user=grant.user.remote_id, job_id=grant.job.remote_id)


def _is_gone(grant: JobGrant) -> bool:
    grant.refresh_from_db()
    return grant.gone_at is not None


def _list_paths(sandbox: Sandbox) -> list[str]:
    return [request.path for request in list(sandbox.requests) if request.path != "/token"]


@pytest.mark.slow("a first sync of its own, with many users")
@many_users
def test_revoked_grant_of_member_ends_in_few_requests(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_sync, kind: str
) -> None:
    connection = connect(kind)
    grant = _get_grant_of(personas.remy.user.email)
    path = f"/requisitions/{grant.job_id}/"
    remy = sign_in(personas.remy)
    assert remy.get(path).status_code == 200
    _revoke(sandbox, grant)
    sandbox.requests.clear_entries()
    run_sync(connection)
    assert remy.get(path).status_code == 404
    # v1: the list of users, and the grants of Remy, Vic and Ivy. v3: users, addresses, grants.
    assert len(_list_paths(sandbox)) == {"harvest_key": 4, "harvest_oauth": 3}[kind]


@pytest.mark.slow("a first sync of its own, with many users")
@many_users
def test_grants_of_others_wait_for_full_sync(
    connect, personas: Personas, sandbox: Sandbox, run_sync, advance_clock
) -> None:
    connection = connect("harvest_key")
    grant = _get_outsiders_grant(connection)
    count = JobGrant.objects.filter(gone_at=None).count()
    _revoke(sandbox, grant)
    run_sync(connection)
    assert JobGrant.objects.filter(gone_at=None).count() == count
    advance_clock(7 * 24 * 3600)
    run_sync(connection, Scope.FULL)
    assert _is_gone(grant)
    assert JobGrant.objects.filter(gone_at=None).count() == count - 1


def test_v1_night_leaves_known_others_out(
    connect, personas: Personas, sandbox: Sandbox, run_sync
) -> None:
    connection = connect("harvest_key")
    outsiders, members = _get_outsiders_grant(connection), set(list_member_user_ids(connection))
    new = AtsUser.objects.get(pk=outsiders.user_id).remote_id
    AtsUser.objects.filter(remote_id=new).update(access_read_at=None)
    _revoke(sandbox, outsiders)
    sandbox.requests.clear_entries()
    run = run_sync(connection, Scope.FULL)
    paths = [path for path in _list_paths(sandbox) if path.endswith("/permissions/jobs")]
    assert {int(path.split("/")[3]) for path in paths} == {*members, new}
    assert run.steps.get(kind="grants").members_only
    assert _is_gone(outsiders)


def test_v3_list_narrowed_where_cheaper(
    connect, personas: Personas, sandbox: Sandbox, run_sync, monkeypatch
) -> None:
    connection = connect("harvest_oauth")
    monkeypatch.setattr(harvest_v3, "PER_PAGE", "5")
    outsiders, remys = _get_outsiders_grant(connection), _get_grant_of(personas.remy.user.email)
    _revoke(sandbox, outsiders)
    _revoke(sandbox, remys)
    sandbox.requests.clear_entries()
    run = run_sync(connection)
    requests = [r for r in list(sandbox.requests) if r.path == "/v3/user_job_permissions"]
    assert "user_ids=" in requests[0].query
    assert len(requests) < JobGrant.objects.filter(gone_at=None).count() / 5
    assert run.steps.get(kind="grants").members_only
    assert _is_gone(remys)
    assert not _is_gone(outsiders)


@pytest.mark.slow("two syncs with a request per member")
def test_failed_sync_keeps_what_it_read(
    connect, personas: Personas, sandbox: Sandbox, run_sync
) -> None:
    """Who was read loses revoked access although the sync fails at somebody else."""
    connection = connect("harvest_key")
    grants = [_get_grant_of(m.user.email) for m in (personas.remy, personas.vic)]
    for grant in grants:
        _revoke(sandbox, grant)
    first, second = sorted(
        grants, key=lambda g: list_member_user_ids(connection).index(g.user.remote_id)
    )
    sandbox.faults.add_fault(f"/v1/users/{second.user.remote_id}/", status=400, times=None)
    assert run_sync(connection).status == SyncRun.Status.FAILED
    assert _is_gone(first)
    assert not _is_gone(second)
    sandbox.faults.clear_faults()
    run_sync(connection)
    assert _is_gone(second)


def test_recently_active_member_read_first(
    connect, personas: Personas, sign_in, sandbox: Sandbox, run_sync
) -> None:
    connection = connect("harvest_key")
    sign_in(personas.vic).get("/requisitions/")
    vic = AtsUser.objects.get(primary_email=personas.vic.user.email)
    assert list_member_user_ids(connection)[0] == vic.remote_id
    sandbox.requests.clear_entries()
    run_sync(connection)
    paths = [path for path in _list_paths(sandbox) if "permissions" in path]
    assert paths[0] == f"/v1/users/{vic.remote_id}/permissions/jobs"


@pytest.mark.slow("a first sync of its own")
def test_hiring_team_read_as_often_as_grants(
    connect, personas: Personas, sandbox: Sandbox, run_sync
) -> None:
    """Without the permission to read grants, the hiring team decides."""
    connection = connect("harvest_oauth", without={"user_permissions.list_job_permissions"})
    sandbox.requests.clear_entries()
    run_sync(connection)
    assert {"/v3/job_owners", "/v3/job_hiring_managers"} <= set(_list_paths(sandbox))
    assert not run_sync(connection, Scope.RECENT).steps.filter(kind="team").exists()


def test_grants_of_new_site_admin_end(
    connect, personas: Personas, sandbox: Sandbox, run_sync
) -> None:
    """Greenhouse lists none of them any more, so a confidential job may be theirs no longer."""
    connection = connect("harvest_key")
    grant = _get_grant_of(personas.remy.user.email)
    sandbox.run_mutation("set_site_admin", user=grant.user.remote_id, site_admin=True)
    run_sync(connection)
    assert _is_gone(grant)


def test_invited_person_read_without_sync(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    connection = connect(kind)
    grant = _get_outsiders_grant(connection)
    _revoke(sandbox, grant)
    runs = connection.syncs.count()
    response = sign_in(personas.ada).post(
        "/members/", {"email": grant.user.primary_email, "role": "recruiter"}
    )
    assert response.status_code == 302
    assert not _is_gone(grant)  # in the queue, not in the request
    sandbox.requests.clear_entries()
    run_tasks()
    assert _is_gone(grant)
    assert connection.syncs.count() == runs
    assert len(_list_paths(sandbox)) <= 3


def test_new_member_read_without_sync(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    connection = connect(kind)
    grant = _get_outsiders_grant(connection)
    grant.delete()
    user = UserFactory(email=grant.user.primary_email)
    member = memberships.start_membership(user, personas.ada.organization, role="recruiter")
    runs = connection.syncs.count()
    run_tasks()
    assert sign_in(member).get(f"/requisitions/{grant.job_id}/").status_code == 200
    assert connection.syncs.count() == runs


def test_unknown_new_member_requests_list_of_users(
    connect, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    connection = connect("harvest_key")
    newcomer = UserFactory(email="new.in.greenhouse@acme.example")
    memberships.start_membership(newcomer, personas.ada.organization, role="recruiter")
    assert RefreshRequest.objects.get().kind == RefreshRequest.Kind.PEOPLE
    run_tasks()
    assert connection.syncs.first().scope == Scope.PEOPLE


def _read_list(client: Client) -> str:
    return client.get("/requisitions/?status=open").content.decode()


def test_returning_member_access_refreshed(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock, kind: str
) -> None:
    connect(kind)
    grant = _get_grant_of(personas.remy.user.email)
    remy = sign_in(personas.remy)
    assert "Your access was last synced" not in _read_list(remy)
    advance_clock(20 * 60)
    _revoke(sandbox, grant)
    page = _read_list(remy)
    assert "Your access was last synced" in page
    assert "syncing now" in page
    run_tasks()
    assert _is_gone(grant)
    assert "Your access was last synced" not in _read_list(remy)


def test_deactivated_member_noticed_on_return(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock, kind: str
) -> None:
    connect(kind)
    sam = AtsUser.objects.get(primary_email=personas.sam.user.email)
    client = sign_in(personas.sam)
    sandbox.run_mutation("deactivate_user", user=sam.remote_id)
    advance_clock(20 * 60)
    _read_list(client)
    run_tasks()
    assert "Your Greenhouse account is deactivated" in _read_list(client)


@pytest.mark.slow("a first sync that reads the access of 600 users, one request each")
@pytest.mark.parametrize(
    "sandbox", [{"users": 600, "applications": 50}], indirect=True, ids=["600 users"]
)
def test_members_of_large_account_read_within_minutes(
    connect, personas: Personas, sandbox: Sandbox, run_sync
) -> None:
    connection = connect("harvest_key")
    member_ids = list_member_user_ids(connection)
    paths = _list_paths(sandbox)
    assert _estimate_seconds(len(paths)) > 90  # everybody, without deactivated people
    last_read = max(paths.index(f"/v1/users/{user_id}/permissions/jobs") for user_id in member_ids)
    grant_requests = [path for path in paths[: last_read + 1] if path.endswith("/permissions/jobs")]
    assert len(grant_requests) <= len(member_ids) + 1  # one is the permission check's
    assert _estimate_seconds(last_read + 1) < 60  # promised within five minutes
    sandbox.requests.clear_entries()
    run_sync(connection)
    assert _estimate_seconds(len(_list_paths(sandbox))) < 10


def _estimate_seconds(request_count: int) -> float:
    """How long v1's rate limit makes so many requests take."""
    return request_count / SandboxSettings().v1_limit * 10
