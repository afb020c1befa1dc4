from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.greenhouse.sandbox import (
    ACME_V3_LIMITED_CLIENT_ID,
    ACME_V3_LIMITED_CLIENT_SECRET,
    LIMITED_CLIENT_MISSING_SCOPES,
    OTHER_V1_KEY,
    OTHER_V3_CLIENT_ID,
    OTHER_V3_CLIENT_SECRET,
)
from integrations.greenhouse.sandbox.auth.permissions import V1_ROUTE_PERMISSIONS, V3_ROUTE_SCOPES
from tests.integrations.greenhouse.sandbox.api_client import ApiClient


def _path(template: str) -> str:
    return template.replace("{id}", "0").replace("{other}", "0")[3:]


@pytest.mark.parametrize(("method", "template"), V1_ROUTE_PERMISSIONS)
def test_v1_route_needs_its_permission(shared: ApiClient, method: str, template: str) -> None:
    permission = V1_ROUTE_PERMISSIONS[method, template]
    credentials = shared.sandbox.credentials
    lacking = credentials.create_key(without={permission})
    having = credentials.create_key(only={permission})
    refused = shared.v1(method, _path(template), key=lacking.secret, by="ada")
    assert refused.status_code == 403
    answer = shared.v1(method, _path(template), key=having.secret, by="ada")
    assert answer.status_code == (404 if "{id}" in template else 200)


@pytest.mark.parametrize(("method", "template"), V3_ROUTE_SCOPES)
def test_v3_route_needs_its_scope(shared: ApiClient, method: str, template: str) -> None:
    scope = V3_ROUTE_SCOPES[method, template]
    for client, allowed in (
        (shared.sandbox.credentials.create_client(without={scope}), False),
        (shared.sandbox.credentials.create_client(only={scope}), True),
    ):
        token = shared.request_token(None, client.client_id, client.client_secret)
        answer = shared.v3(method, _path(template), token=token)
        assert (answer.status_code == 403) is not allowed
        # A note without a candidate is 422.
        assert answer.status_code in (200, 404, 403, 422 if template == "/v3/notes" else 200)


def test_permission_keys_map_to_scopes(api: ApiClient) -> None:
    client = api.sandbox.credentials.create_client(without={"hiring_team.list", "jobs.list"})
    token = api.request_token(None, client.client_id, client.client_secret)
    for path in ("/job_owners", "/job_hiring_managers", "/jobs"):
        assert api.v3("GET", path, token=token).status_code == 403


def test_unknown_permission_is_an_error(api: ApiClient) -> None:
    with pytest.raises(ValueError, match=r"jobs\.lst"):
        api.sandbox.credentials.create_key(without={"jobs.lst"})


def test_limited_client_lacks_scopes(api: ApiClient) -> None:
    token = api.request_token(None, ACME_V3_LIMITED_CLIENT_ID, ACME_V3_LIMITED_CLIENT_SECRET)
    assert len(LIMITED_CLIENT_MISSING_SCOPES) == 3
    assert api.v3("GET", "/user_job_permissions", token=token).status_code == 403
    assert api.v3("GET", "/jobs", token=token).status_code == 200


def test_scope_removal_affects_existing_tokens(api: ApiClient) -> None:
    client = api.sandbox.credentials.create_client()
    token = api.request_token(None, client.client_id, client.client_secret)
    assert api.v3("GET", "/jobs", token=token).status_code == 200
    client.remove_permissions({"jobs.list"})
    assert api.v3("GET", "/jobs", token=token).status_code == 403
    client.grant_permissions({"jobs.list"})
    assert api.v3("GET", "/jobs", token=token).status_code == 200


def test_v3_lists_need_site_admin(api: ApiClient) -> None:
    assert api.v3("GET", "/jobs", by="ada").status_code == 200
    for name in ("remy", "ivy", "basil", "dana"):
        assert api.v3("GET", "/jobs", by=name).status_code == 403


def test_service_user_may_lack_site_admin(api: ApiClient) -> None:
    client = api.sandbox.credentials.create_client(reader_is_site_admin=False)
    token = api.request_token(None, client.client_id, client.client_secret)
    assert api.v3("GET", "/jobs", token=token).status_code == 403
    token = api.request_token(api.find_user_id("ada"), client.client_id, client.client_secret)
    assert api.v3("GET", "/jobs", token=token).status_code == 200


def test_accounts_are_isolated(api: ApiClient) -> None:
    mine = {row["id"] for row in api.list_v1("/jobs")}
    theirs = {row["id"] for row in api.v1("GET", "/jobs", key=OTHER_V1_KEY).json()}
    assert len(theirs) == 5
    assert not mine & theirs
    assert api.v1("GET", f"/jobs/{min(mine)}", key=OTHER_V1_KEY).status_code == 404
    token = api.request_token(None, OTHER_V3_CLIENT_ID, OTHER_V3_CLIENT_SECRET)
    assert {row["id"] for row in api.v3("GET", "/jobs", token=token).json()} == theirs
    users = api.v1("GET", "/users", key=OTHER_V1_KEY).json()
    assert "zoe@other.example" in {user["primary_email_address"] for user in users}


def test_v1_job_permissions_by_role(api: ApiClient) -> None:
    for name, count in (("ada", 0), ("basil", 0), ("vic", 3), ("ivy", 2), ("dana", 3)):
        rows = api.v1("GET", f"/users/{api.find_user_id(name)}/permissions/jobs").json()
        assert len(rows) == count, name


def test_v3_job_permissions_by_role(api: ApiClient) -> None:
    users = {row["user_id"] for row in api.list_v3("/user_job_permissions")}
    shown = {name: api.find_user_id(name) in users for name in ("ada", "ivy", "remy", "dana")}
    assert shown == {"ada": False, "ivy": False, "remy": True, "dana": True}


def test_site_admin_grants_are_an_option(make_api: Callable[..., ApiClient]) -> None:
    for option, count in ((False, 0), (True, 1)):
        api = make_api(site_admin_grants=option)
        job = next(job.id for job in api.sandbox.dataset().jobs if job.confidential)
        api.sandbox.run_mutation("add_grant", user="ada", job_id=job)
        path = f"/users/{api.find_user_id('ada')}/permissions/jobs"
        assert len(api.v1("GET", path).json()) == count
        visible = api.sandbox.count_records()["visible_open_job_ids"]["ada"]
        assert (job in visible) is option


def test_v3_can_hide_confidential_jobs(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(confidential_jobs=False)
    assert not any(row["confidential"] for row in api.list_v3("/jobs"))
    assert len(api.list_v3("/jobs")) == 18
