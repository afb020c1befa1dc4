"""Checking permissions: each is proved without changing anything, and told in words."""

from __future__ import annotations

import pytest
from django.urls import reverse

from integrations.ats import registry
from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import CheckRun, Connection
from portal.mirror.models import SyncRun
from portal.onboarding import journey
from tests.cast import Cast
from tests.conftest import FULL, either_refusal

PAGE = "/set-up/permissions/"
PART = {"HTTP_HX_REQUEST": "true"}


def _outcomes(connection: Connection) -> dict[str, str]:
    return dict(connection.checks.first().results.values_list("permission", "outcome"))


def test_everything_granted_is_ticked_off_and_goes_live(connect, kind: str) -> None:
    connection = connect(kind)
    outcomes = _outcomes(connection)
    assert set(outcomes) == {p.key for p in registry.catalogue(kind).for_kind(kind)}
    assert set(outcomes.values()) == {"granted"}
    assert connection.state == Connection.State.LIVE


@pytest.mark.parametrize(
    "missing",
    ["applications.reject", "rejection_reasons.list", "job_posts.list", "candidates.list"],
)
def test_what_is_missing_is_named_with_what_it_costs(
    connect, cast: Cast, sign_in, kind: str, missing: str
) -> None:
    connection = connect(kind, without={missing})
    catalogue = registry.catalogue(kind)
    permission = catalogue.get(missing, kind)
    page = sign_in(cast.ada).get(PAGE).content.decode()
    assert _outcomes(connection)[missing] == "missing"
    assert catalogue.words_for(permission, kind) in page
    for feature in catalogue.features_off({missing}, kind):
        assert feature.off in page
    assert catalogue.places[kind] in page
    assert connection.state == Connection.State.DEGRADED


def test_something_essential_missing_stops_before_the_sync(connect, kind: str) -> None:
    connection = connect(kind, without={"users.list", "users.retrieve"})
    assert connection.state == Connection.State.ACTION_NEEDED
    assert not SyncRun.objects.exists()


def test_ticking_it_and_testing_again_goes_on_to_live(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    connection = connect(kind, without={"jobs.list", "jobs.retrieve"})
    made = connection.credential
    values = made.secrets()
    secret = values.get("client_id") or values["api_key"]
    sandbox.credentials.find(secret).grant({"jobs.list", "jobs.retrieve"})
    sign_in(cast.ada).post(PAGE)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE


def test_a_check_changes_nothing_in_greenhouse(connect, sandbox: Sandbox, kind: str) -> None:
    before = sandbox.stats()
    connect(kind)
    assert sandbox.stats() == before


def test_the_page_watches_while_the_check_is_open_and_stops_after(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    ada = sign_in(cast.ada)
    ada.post(reverse("onboarding:credential"), FULL["harvest_key"])
    watching = ada.get(PAGE, **PART).content.decode()
    assert "<html" not in watching
    assert 'hx-trigger="every 1s"' in watching
    work()
    assert 'hx-trigger="every 1s"' not in ada.get(PAGE, **PART).content.decode()


def test_asking_twice_joins_the_check_that_is_open(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    ada = sign_in(cast.ada)
    ada.post(reverse("onboarding:credential"), FULL["harvest_key"])
    ada.post(PAGE)
    ada.post(PAGE)
    work()
    assert CheckRun.objects.count() == 1
    assert SyncRun.objects.count() == 1  # the first one, which follows


def test_a_task_delivered_twice_checks_once(connect, sandbox: Sandbox) -> None:
    connection = connect()
    asked = len(list(sandbox.requests))
    from portal.onboarding.tasks import check

    check(connection.checks.first().pk)
    assert len(list(sandbox.requests)) == asked


def test_a_revoked_credential_takes_the_connection_out_of_work_with_words(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    connection = connect("harvest_key")
    sandbox.faults.add("/v1", status=401, times=None)
    sign_in(cast.ada).post(PAGE)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.ACTION_NEEDED
    assert b"Enter a credential" in sign_in(cast.ada).get(PAGE).content


def test_greenhouse_being_down_takes_nothing_away_from_a_live_connection(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, quick_retries: None
) -> None:
    connection = connect()
    sandbox.faults.add(kind="drop_before", times=None)
    sign_in(cast.ada).post(PAGE)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert b"could not be finished" in sign_in(cast.ada).get(PAGE).content


def test_an_interrupted_check_is_ended_by_the_sweep(connect, later, cast: Cast) -> None:
    connection = connect()
    journey.request_check(connection, by=None)
    later(10 * 60)
    from portal.onboarding.tasks import sweep

    sweep()
    check = connection.checks.first()
    assert check.status == CheckRun.Status.FAILED
    assert "start it again" in check.failure


def test_an_optional_one_missing_leaves_everything_live(
    connect, cast: Cast, sign_in, kind: str
) -> None:
    connection = connect(kind, without={"offices.list"})
    assert connection.state == Connection.State.LIVE
    page = sign_in(cast.ada).get(PAGE).content.decode()
    assert "Only optional ones are missing" in page


def _asked(sandbox: Sandbox) -> list[str]:
    return [f"{request.method} {request.path}" for request in sandbox.requests]


def test_one_permission_is_tested_again_and_the_others_keep_what_was_found(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    connection = connect(kind, without={"job_posts.list", "candidates.list"})
    before = _outcomes(connection)
    secrets = connection.credential.secrets()
    made = sandbox.credentials.find(secrets.get("client_id") or secrets["api_key"])
    made.grant({"job_posts.list", "candidates.list"})
    asked = len(_asked(sandbox))
    sign_in(cast.ada).post(f"{PAGE}job_posts.list/")
    work()
    outcomes = _outcomes(connection)
    assert outcomes["job_posts.list"] == "granted"
    assert outcomes["candidates.list"] == "missing"  # not asked again
    assert outcomes.keys() == before.keys()
    lists = [call for call in _asked(sandbox)[asked:] if call.startswith("GET")]
    assert len(lists) <= 2  # whether the credential works, and the one permission


def test_a_permission_that_greenhouse_does_not_know_is_not_tested(
    connect, cast: Cast, sign_in
) -> None:
    connect()
    assert sign_in(cast.ada).post(f"{PAGE}jobs.explode/").status_code == 404


def test_nobody_else_tests_a_permission(connect, cast: Cast, sign_in) -> None:
    connect()
    assert sign_in(cast.remy).post(f"{PAGE}jobs.list/").status_code == 403
    zoe = sign_in(cast.zoe).post(f"{PAGE}jobs.list/")
    assert zoe.url == reverse("onboarding:credential")  # of her own organization, which has none
    assert CheckRun.objects.count() == 1


def test_a_permission_the_portal_asks_for_since_the_last_check_is_not_asked_yet(
    connect, cast: Cast, sign_in
) -> None:
    connection = connect()
    connection.last_check.results.filter(permission="offices.list").delete()
    page = sign_in(cast.ada).get(PAGE).content.decode()
    assert "1 not asked yet" in page


def test_what_is_new_compared_with_the_article_says_why(connect, cast: Cast, sign_in) -> None:
    connect()
    page = sign_in(cast.ada).get(PAGE).content.decode()
    assert "New compared with the set-up article, and needed." in page
    assert "Harvest v3 rejects only with a reason from this list" in page


def test_scopes_that_are_never_used_may_be_removed(connect, cast: Cast, sign_in) -> None:
    connection = connect()
    page = sign_in(cast.ada).get(PAGE).content.decode()
    unused = connection.last_check.unused_scopes
    assert "harvest:referrers:list" in unused
    assert "harvest:attachments:list" not in unused  # files are shown under review
    assert "harvest:sources:list" not in unused  # an application's source is named and changed
    assert "More than the portal needs" in page
    assert "<code>harvest:referrers:list</code>" in page


def test_a_key_does_not_tell_what_else_is_ticked_for_it(connect, cast: Cast, sign_in) -> None:
    connection = connect("harvest_key")
    assert connection.last_check.unused_scopes == []


@either_refusal
def test_a_reader_who_is_no_site_admin_stops_before_the_sync_and_is_told_how(
    cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    made = sandbox.credentials.create_client(account="acme", reader_is_site_admin=False)
    ada = sign_in(cast.ada)
    values = {"client_id": made.client_id, "client_secret": made.client_secret}
    ada.post(reverse("onboarding:credential"), {"kind": "harvest_oauth", **values})
    work()
    assert not SyncRun.objects.exists()
    assert "is no Site Admin" in ada.get(PAGE).content.decode()
