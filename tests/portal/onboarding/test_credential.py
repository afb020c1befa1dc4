"""Entering a credential: valid ones are saved, errors appear next to their field."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.permission_catalogue import CATALOGUE
from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection, Credential
from portal.onboarding import tasks
from tests.conftest import FULL_CREDENTIALS, V1, V3
from tests.personas import Personas
from tests.queue import list_queued_tasks

URL = "/setup/credential/"
WRONG_SECRET = "typed-but-wrong-4711"


@pytest.fixture
def ada(personas: Personas, sandbox: Sandbox, sign_in, run_tasks) -> Client:
    return sign_in(personas.ada)


def _field_errors(response, field: str) -> str:
    """The error text next to a field."""
    return " ".join(response.context["form"].errors.get(field, []))


def _is_nothing_saved() -> bool:
    return not Credential.objects.exists()


def test_valid_credential_saved_and_masked(ada: Client, kind: str) -> None:
    assert ada.post(URL, FULL_CREDENTIALS[kind]).status_code == 302
    secret = FULL_CREDENTIALS[kind].get("client_secret") or FULL_CREDENTIALS[kind]["api_key"]
    page = ada.get(URL).content.decode()
    assert secret not in page
    assert f"<code>{secret[-4:]}</code>" in page


def test_wrong_credential_refused_next_to_field(ada: Client) -> None:
    response = ada.post(URL, {**V1, "api_key": "0" * 32 + "-1"})
    assert response.status_code == 422
    assert "doesn't accept this API key" in _field_errors(response, "api_key")
    response = ada.post(URL, {**V3, "client_secret": WRONG_SECRET})
    assert "doesn't accept this client ID and secret" in _field_errors(response, "client_secret")
    assert _is_nothing_saved()


def test_typed_secret_not_echoed(ada: Client) -> None:
    page = ada.post(URL, {**V3, "client_secret": WRONG_SECRET}).content.decode()
    assert WRONG_SECRET not in page


@pytest.mark.parametrize(
    ("values", "error_field"),
    [
        ({"client_id": V3["client_secret"], "client_secret": WRONG_SECRET}, "client_secret"),
        ({"client_id": V3["client_secret"], "client_secret": ""}, "client_secret"),
        ({"reader_id": V3["client_secret"]}, "reader_id"),
    ],
    ids=["with another", "alone", "as a user"],
)
def test_secret_in_other_field_not_echoed(
    ada: Client, values: dict[str, str], error_field: str
) -> None:
    answer = ada.post(URL, {**V3, **values})
    assert answer.status_code == 422
    assert V3["client_secret"] not in answer.content.decode()
    assert _field_errors(answer, error_field)


def test_credential_in_name_field_not_echoed(ada: Client, connect) -> None:
    connect()
    other = {"kind": "harvest_key", "api_key": greenhouse.OTHER_V1_KEY}
    answer = ada.post(URL, {**other, "another_account": greenhouse.OTHER_V1_KEY})
    assert "type Acme and test again" in answer.content.decode()
    assert greenhouse.OTHER_V1_KEY not in answer.content.decode()


def test_user_id_stays_in_field(ada: Client) -> None:
    page = ada.post(
        URL, {**V3, "client_secret": WRONG_SECRET, "reader_id": "4711"}
    ).content.decode()
    assert 'value="4711"' in page


@pytest.mark.parametrize("empty", ["", "   ", "\n", "\u200b"])
def test_empty_key_is_asked_for(ada: Client, empty: str) -> None:
    assert "Paste the Harvest API key" in _field_errors(
        ada.post(URL, {**V1, "api_key": empty}), "api_key"
    )


@pytest.mark.parametrize("template", ["  {} ", "\n{}\r\n", "\ufeff{}", "\t{}\u200b"])
def test_surrounding_whitespace_is_ignored(ada: Client, template: str) -> None:
    assert ada.post(URL, {**V1, "api_key": template.format(V1["api_key"])}).status_code == 302


def test_wrapped_value_is_joined(ada: Client) -> None:
    key = V1["api_key"]
    assert ada.post(URL, {**V1, "api_key": f"{key[:10]}\n{key[10:]}"}).status_code == 302


def test_odd_characters_are_named(ada: Client) -> None:
    errors = _field_errors(ada.post(URL, {**V1, "api_key": "5a1d0b0c–é"}), "api_key")
    assert "–" in errors
    assert "Copy it again" in errors


def test_huge_value_refused_without_request(ada: Client, sandbox: Sandbox) -> None:
    assert ada.post(URL, {**V1, "api_key": "a" * 5000}).status_code == 422
    assert not list(sandbox.requests)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({**V1, "api_key": "abc"}, "too short"),
        ({**V1, "api_key": "Basic NWExZDBiMGNhY2FlN2YzYjlkMmU0YzZhOGYxMGUyZDQtMTo="}, "header"),
        ({**V1, "api_key": "Here is the key we use for you"}, "a sentence"),
        ({**V1, "api_key": V3["client_secret"]}, "switch to Harvest v3"),
        ({**V1, "api_key": f"{V3['client_id']} {V3['client_secret']}"}, "two values"),
        ({**V3, "client_id": V1["api_key"]}, "a Harvest v1 API key"),
        ({**V3, "client_secret": V1["api_key"]}, "a Harvest v1 API key"),
        ({**V3, "client_secret": "Bearer 1234567890abcdefghij"}, "header"),
    ],
    ids=["abc", "basic", "sentence", "v3", "v3 pair", "v1 as ID", "v1 as secret", "bearer"],
)
def test_wrong_paste_gets_hint(
    ada: Client, sandbox: Sandbox, values: dict[str, str], hint: str
) -> None:
    answer = ada.post(URL, values)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert hint in page
    assert "Use anyway" in page
    assert not list(sandbox.requests)
    for name in ("api_key", "client_id", "client_secret"):
        assert len(values.get(name, "")) < 4 or values[name] not in page
    assert _is_nothing_saved()


def test_hint_can_be_overridden(ada: Client, sandbox: Sandbox) -> None:
    key = sandbox.credentials.create_key(secret="Nobody_would/know=what-THIS-is").secret
    assert "Use anyway" in ada.post(URL, {**V1, "api_key": key}).content.decode()
    assert ada.post(URL, {**V1, "api_key": key, "use_anyway": "yes"}).status_code == 302


@pytest.mark.parametrize(
    "values",
    [
        {"client_id": V3["client_secret"], "client_secret": V3["client_id"]},
        {"client_id": f"{V3['client_secret']}\n{V3['client_id']}", "client_secret": ""},
    ],
    ids=["fields", "one field"],
)
def test_swapped_pair_is_saved_right(ada: Client, values: dict[str, str]) -> None:
    assert ada.post(URL, {**V3, **values}).status_code == 302
    secrets = Connection.objects.get().credential.get_secrets()
    assert secrets["client_id"] == V3["client_id"]
    assert secrets["client_secret"] == V3["client_secret"]


def test_unknown_site_admin_named_as_cause(ada: Client) -> None:
    answer = ada.post(URL, {**V3, "reader_id": "987654321"})
    assert "gives no access as this user" in _field_errors(answer, "reader_id")


def test_limit_counts_only_tries_that_reach_greenhouse(ada: Client, settings) -> None:
    settings.CREDENTIAL_ENTRY_LIMIT = (2, 600)
    for value in ("", "abc", "é"):
        assert ada.post(URL, {**V1, "api_key": value}).status_code == 422
    wrong = {**V1, "api_key": "0" * 32 + "-1"}
    for _ in range(2):
        assert "doesn't accept" in _field_errors(ada.post(URL, wrong), "api_key")
    answer = ada.post(URL, wrong)
    assert "Try again in 10 minutes." in answer.content.decode()
    assert 'name="api_key"' in answer.content.decode()


def test_rate_limit_is_waited_for_and_explained(
    ada: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    sandbox.faults.add_fault("/v1", status=429, retry_after=30, times=None)
    test_page = ada.post(URL, V1).url
    page = ada.get(test_page).content.decode()
    assert "Greenhouse asked us to wait" in page
    assert "test it at" in page
    sandbox.faults.clear_faults()
    advance_clock(35)
    tasks.clean_up_entered_secrets()
    run_tasks()
    assert ada.get(test_page).url == "/setup/permissions/"


def test_form_lists_what_to_tick(ada: Client, kind: str) -> None:
    page = ada.get(URL, {"kind": kind}).content.decode()
    catalogue = CATALOGUE
    for permission in catalogue.list_permissions(kind):
        assert permission.purpose.replace("'", "&#x27;") in page
    required, optional = page.split('id="optional-boxes"')
    if kind == "harvest_oauth":
        assert required.index("harvest:applications:list") < required.index("harvest:jobs:list")
        assert "harvest:attachments:list" in optional
    else:
        assert required.index("Applications › Get: Retrieve") < required.index("Jobs › Get: List")
        assert "Sources › Get: List Sources" in optional


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
def test_unusual_v1_key_detected_by_trying(ada: Client, sandbox: Sandbox, field: str) -> None:
    key = sandbox.credentials.create_key(secret="Nobody_would/know=what-THIS-is").secret
    answer = ada.post(URL, {**V3, field: key})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "That&#x27;s a v1 API key. Paste it here." in page
    assert 'name="api_key"' in page
    assert key not in page
    assert _is_nothing_saved()
    assert {request.path for request in sandbox.requests if request.status == 200} <= {
        "/v1/users",
        "/v1/jobs",
    }
    assert ada.post(URL, {**V1, "api_key": key, "use_anyway": "yes"}).status_code == 302


def test_combined_id_and_secret_are_split(ada: Client) -> None:
    pasted = {**V3, "client_id": f"{V3['client_id']}\n{V3['client_secret']}", "client_secret": ""}
    assert ada.post(URL, pasted).status_code == 302


def test_user_id_with_letters_refused(ada: Client) -> None:
    assert "only digits" in _field_errors(ada.post(URL, {**V3, "reader_id": "12a"}), "reader_id")


def test_other_account_refused_and_credential_kept(
    ada: Client, connect, personas: Personas
) -> None:
    connection = connect()
    before = connection.credential
    for other in (
        {**V1, "api_key": greenhouse.OTHER_V1_KEY},
        {
            **V3,
            "client_id": greenhouse.OTHER_V3_CLIENT_ID,
            "client_secret": greenhouse.OTHER_V3_CLIENT_SECRET,
        },
    ):
        answer = ada.post(URL, other)
        assert "different Greenhouse account" in str(answer.context["form"].errors)
    assert connection.credential == before
    assert connection.credential.get_secrets()["client_secret"] == V3["client_secret"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "drop_before"}, "Couldn't reach Greenhouse"),
        ({"status": 503}, "Couldn't reach Greenhouse"),
        ({"kind": "html"}, "couldn't read"),
    ],
    ids=["drops", "503", "html"],
)
def test_outage_reported_and_credential_kept(
    ada: Client, sandbox: Sandbox, connect, run_tasks, fault: dict[str, Any], message: str
) -> None:
    connection = connect()
    before = connection.credential
    sandbox.faults.add_fault(**fault, times=None)
    response = ada.post(URL, V1)
    if response.status_code == 302:
        run_tasks()
        response = ada.get(response.url)
    assert message in _field_errors(response, "api_key")
    assert response.content.decode().count("Nothing was saved") == 1
    assert connection.credential == before


def test_unreachable_greenhouse_is_reported(
    personas: Personas, sign_in, settings, run_tasks, quick_retries: None
) -> None:
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    ada = sign_in(personas.ada)
    test_page = ada.post(URL, V1).url
    run_tasks()
    assert "Couldn't reach Greenhouse" in _field_errors(ada.get(test_page), "api_key")


def test_second_tab_leaves_one_credential_in_use(ada: Client, connect) -> None:
    connection = connect()
    ada.post(URL, V1)
    ada.post(URL, V1)
    states = sorted(connection.credentials.values_list("state", flat=True))
    assert states == ["deleted", "in_use", "pending"]


def test_unused_credential_replaced_and_emptied(ada: Client) -> None:
    ada.post(URL, V1)
    ada.post(URL, V3)
    connection = Connection.objects.get()
    assert connection.credential.kind == "harvest_oauth"
    assert connection.credentials.get(state="deleted").secret == ""


def test_tasks_carry_no_secret(ada: Client) -> None:
    ada.post(URL, V3)
    assert list_queued_tasks()
    for _, arguments in list_queued_tasks():
        assert all(isinstance(argument, int) for argument in arguments)


def test_typed_values_never_choose_host(ada: Client, sandbox: Sandbox) -> None:
    ada.post(URL, {**V3, "client_id": "http://127.0.0.1:1/", "api_url": "http://127.0.0.1:1"})
    assert _is_nothing_saved()
    assert Connection.objects.get().credential is None
    assert reverse("onboarding:credential") == URL
    hosts = dict.fromkeys(("api_url", "auth_url", "url", "host"), "http://127.0.0.1:1")
    assert ada.post(URL, {**V3, **hosts}).status_code == 302
    assert {request.path for request in sandbox.requests} >= {"/token", "/v3/users"}
