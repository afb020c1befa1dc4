"""Many small accounts, each with credentials, data and faults of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations.greenhouse.sandbox import NumberedAccount, Sandbox
from tests.integrations.greenhouse.sandbox.api_client import ApiClient

FIRST, SECOND = NumberedAccount(1), NumberedAccount(2)
LISTS = ("jobs", "users", "applications", "candidates", "user_job_permissions")


@pytest.fixture
def accounts_api(make_api: Callable[..., ApiClient]) -> ApiClient:
    return make_api(accounts=3)


def read_list(api: ApiClient, account: NumberedAccount, path: str) -> list[dict[str, Any]]:
    token = api.request_token(None, account.client_id, account.client_secret)
    rows: list[dict[str, Any]] = api.v3("GET", f"/{path}", token=token).json()
    return rows


@pytest.mark.parametrize("path", LISTS)
def test_accounts_have_same_records_but_ids(accounts_api: ApiClient, path: str) -> None:
    first, second = (read_list(accounts_api, account, path) for account in (FIRST, SECOND))
    step = SECOND.id_offset - FIRST.id_offset
    assert first
    assert [row["id"] + step for row in first] == [row["id"] for row in second]


def test_account_key_reads_its_own_people(accounts_api: ApiClient) -> None:
    users = accounts_api.v1("GET", "/users", key=SECOND.api_key).json()
    addresses = {user["primary_email_address"] for user in users}
    assert {"ada@customer-2.example", "remy@customer-2.example"} <= addresses
    assert not any("customer-1" in (address or "") for address in addresses)


def test_account_is_generated_when_first_used(accounts_api: ApiClient) -> None:
    datasets = accounts_api.sandbox.app.datasets
    assert set(datasets) == {"acme", "other"}
    accounts_api.v1("GET", "/jobs", key=FIRST.api_key)
    assert set(datasets) == {"acme", "other", FIRST.name}


def test_fault_of_account_spares_others(accounts_api: ApiClient) -> None:
    fault = {"account": FIRST.name, "status": 429, "retry_after": 60, "times": None}
    accounts_api.http.post("/__faults", json=fault)
    accounts_api.http.post("/__faults", json=fault | {"account": SECOND.name})
    assert accounts_api.v1("GET", "/jobs", key=FIRST.api_key).status_code == 429
    token_request = accounts_api.http.post("/token", auth=(FIRST.client_id, FIRST.client_secret))
    assert token_request.headers["Retry-After"] == "60"
    accounts_api.http.delete("/__faults", params={"account": FIRST.name})
    assert accounts_api.v1("GET", "/jobs", key=FIRST.api_key).status_code == 200
    assert accounts_api.v1("GET", "/jobs", key=SECOND.api_key).status_code == 429
    assert accounts_api.v1("GET", "/jobs").status_code == 200


def test_fault_of_unknown_account_is_refused(accounts_api: ApiClient) -> None:
    answer = accounts_api.http.post("/__faults", json={"account": "customer-4", "status": 500})
    assert answer.status_code == 422
    assert "customer-3" in answer.json()["message"]


def test_rate_limit_counts_each_account(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(accounts=2, v1_limit=1)
    statuses = [
        api.v1("GET", "/jobs", key=account.api_key).status_code
        for account in (FIRST, FIRST, SECOND)
    ]
    assert statuses == [200, 429, 200]


def test_request_log_selects_account_and_method(accounts_api: ApiClient) -> None:
    accounts_api.v1("GET", "/jobs", key=FIRST.api_key)
    accounts_api.v1("GET", "/users", key=SECOND.api_key)
    read_list(accounts_api, FIRST, "offices")
    log = accounts_api.http.get("/__requests", params={"account": FIRST.name}).json()
    assert [entry["path"] for entry in log] == ["/v1/jobs", "/token", "/v3/offices"]
    params = {"account": FIRST.name, "method": "POST"}
    log = accounts_api.http.get("/__requests", params=params).json()
    assert [entry["path"] for entry in log] == ["/token"]


def test_webhook_gets_events_of_its_account(accounts_api: ApiClient) -> None:
    jobs = {a.name: accounts_api.sandbox.dataset(a.name).jobs.ids[0] for a in (FIRST, SECOND)}
    hooks = accounts_api.sandbox.webhooks
    hook = hooks.register_webhook("http://127.0.0.1:9/", "secret", account=FIRST.name)
    hook.enabled = True
    for account, job_id in jobs.items():
        body = {"action": "rename_job", "account": account, "job_id": job_id, "name": account}
        assert accounts_api.http.post("/__mutate", json=body).status_code == 200
    hooks.queue.join()
    sent = [delivery for delivery in hooks.deliveries if delivery.action == "job_updated"]
    assert len(sent) == 1
    assert FIRST.name.encode() in sent[0].body


def test_numbered_accounts_survive_restart(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with Sandbox(state=file, accounts=2) as sandbox:
        job_id = sandbox.dataset(FIRST.name).jobs.ids[0]
        sandbox.run_mutation("rename_job", FIRST.name, job_id=job_id, name="Night porter")
    with Sandbox(state=file) as sandbox:
        url, auth = f"{sandbox.url}/v1/jobs", (FIRST.api_key, "")
        assert httpx.get(f"{url}/{job_id}", auth=auth).json()["name"] == "Night porter"
        assert httpx.get(url, auth=(SECOND.api_key, "")).status_code == 200
