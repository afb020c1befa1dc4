"""Entering a credential: what is right is kept, what is wrong is said next to its field."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import ApiCall, Connection, Credential
from tests.cast import Cast
from tests.conftest import FULL, V1, V3
from tests.queue import queued

URL = "/set-up/credential/"


@pytest.fixture
def ada(cast: Cast, sandbox: Sandbox, sign_in, work) -> Client:
    return sign_in(cast.ada)


def _said(response, field: str) -> str:
    """What stands next to a field."""
    return " ".join(response.context["form"].errors.get(field, []))


def _nothing_saved() -> bool:
    return not Credential.objects.exists()


def test_a_right_credential_is_saved_and_shown_as_its_last_four_only(
    ada: Client, kind: str
) -> None:
    assert ada.post(URL, FULL[kind]).status_code == 302
    secret = FULL[kind].get("client_secret") or FULL[kind]["api_key"]
    page = ada.get(URL).content.decode()
    assert secret not in page
    assert f"<code>{secret[-4:]}</code>" in page


def test_a_wrong_one_is_refused_next_to_its_field_and_nothing_is_saved(ada: Client) -> None:
    wrong = ada.post(URL, {**V1, "api_key": "0" * 32 + "-1"})
    assert wrong.status_code == 422
    assert "does not accept this API key" in _said(wrong, "api_key")
    wrong = ada.post(URL, {**V3, "client_secret": "not-it"})
    assert "does not accept this client ID with this secret" in _said(wrong, "client_secret")
    assert _nothing_saved()


def test_a_secret_that_was_typed_is_not_sent_back_in_the_page(ada: Client) -> None:
    page = ada.post(URL, {**V3, "client_secret": "typed-but-wrong-4711"}).content.decode()
    assert "typed-but-wrong-4711" not in page


@pytest.mark.parametrize(
    ("mixed_up", "beside"),
    [
        ({"client_id": V3["client_secret"], "client_secret": V3["client_id"]}, "client_secret"),
        (
            {"client_id": f"{V3['client_secret']}\n{V3['client_id']}", "client_secret": ""},
            "client_secret",
        ),
        ({"client_id": V3["client_secret"], "client_secret": ""}, "client_secret"),
        ({"reader_id": V3["client_secret"]}, "reader_id"),
    ],
    ids=["swapped", "both in one", "alone", "as a user"],
)
def test_a_secret_in_another_field_is_not_sent_back_either(
    ada: Client, mixed_up: dict[str, str], beside: str
) -> None:
    answer = ada.post(URL, {**V3, **mixed_up})
    assert answer.status_code == 422
    assert V3["client_secret"] not in answer.content.decode()
    assert _said(answer, beside)


def test_a_credential_of_another_account_in_the_field_for_the_name_is_not_sent_back(
    ada: Client, connect
) -> None:
    connect()
    other = {"kind": "harvest_key", "api_key": greenhouse.OTHER_V1_KEY}
    answer = ada.post(URL, {**other, "another_account": greenhouse.OTHER_V1_KEY})
    assert "type Acme here" in answer.content.decode()
    assert greenhouse.OTHER_V1_KEY not in answer.content.decode()


def test_a_user_id_stays_in_its_field(ada: Client) -> None:
    page = ada.post(URL, {**V3, "client_secret": "not-it", "reader_id": "4711"}).content.decode()
    assert 'value="4711"' in page


@pytest.mark.parametrize("empty", ["", "   ", "\n", "\u200b"])
def test_an_empty_one_is_asked_for(ada: Client, empty: str) -> None:
    assert "Please paste" in _said(ada.post(URL, {**V1, "api_key": empty}), "api_key")


@pytest.mark.parametrize("around", ["  {} ", "\n{}\r\n", "\ufeff{}", "\t{}\u200b"])
def test_blanks_and_line_ends_from_copying_do_no_harm(ada: Client, around: str) -> None:
    assert ada.post(URL, {**V1, "api_key": around.format(V1["api_key"])}).status_code == 302


def test_a_value_that_was_wrapped_in_two_lines_is_joined(ada: Client) -> None:
    key = V1["api_key"]
    assert ada.post(URL, {**V1, "api_key": f"{key[:10]}\n{key[10:]}"}).status_code == 302


def test_characters_no_credential_has_are_named(ada: Client) -> None:
    said = _said(ada.post(URL, {**V1, "api_key": "5a1d0b0c–é"}), "api_key")
    assert "–" in said
    assert "copy it again" in said


def test_a_huge_value_is_refused_without_asking_greenhouse(ada: Client, sandbox: Sandbox) -> None:
    assert ada.post(URL, {**V1, "api_key": "a" * 5000}).status_code == 422
    assert not list(sandbox.requests)


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
def test_a_v1_key_in_the_v3_form_leads_to_the_right_form(
    ada: Client, sandbox: Sandbox, field: str
) -> None:
    answer = ada.post(URL, {**V3, field: V1["api_key"]})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "What you pasted is a Harvest v1 API key, and it belongs here" in page
    assert 'name="api_key"' in page
    assert V1["api_key"] not in page
    assert not list(sandbox.requests)
    assert _nothing_saved()


@pytest.mark.parametrize("field", ["client_id", "client_secret"])
def test_a_v1_key_that_looks_like_none_is_found_out_by_trying_it(
    ada: Client, sandbox: Sandbox, field: str
) -> None:
    key = sandbox.credentials.create_key(secret="Nobody_would/know=what-THIS-is").secret
    answer = ada.post(URL, {**V3, field: key})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "What you pasted is a Harvest v1 API key, and it belongs here" in page
    assert 'name="api_key"' in page
    assert key not in page
    assert _nothing_saved()
    assert {one.path for one in sandbox.requests if one.status == 200} <= {"/v1/users", "/v1/jobs"}
    assert ada.post(URL, {**V1, "api_key": key}).status_code == 302


def test_v3_values_in_the_v1_form_lead_to_the_other_form(ada: Client) -> None:
    said = _said(ada.post(URL, {**V1, "api_key": V3["client_secret"]}), "api_key")
    assert "Harvest v3 credentials" in said


def test_client_id_and_secret_pasted_as_one_are_taken_apart(ada: Client) -> None:
    pasted = {**V3, "client_id": f"{V3['client_id']}\n{V3['client_secret']}", "client_secret": ""}
    assert ada.post(URL, pasted).status_code == 302


def test_a_user_id_with_letters_is_refused_in_words(ada: Client) -> None:
    assert "digits only" in _said(ada.post(URL, {**V3, "reader_id": "12a"}), "reader_id")


def test_another_greenhouse_account_is_refused_and_the_present_one_stays(
    ada: Client, connect, cast: Cast
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
        assert "another Greenhouse account" in str(answer.context["form"].errors)
    assert connection.credential == before
    assert connection.credential.secrets()["client_secret"] == V3["client_secret"]


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"kind": "drop_before"}, "not answering"),
        ({"status": 503}, "not answering"),
        ({"kind": "html"}, "could not read"),
    ],
    ids=["drops", "503", "html"],
)
def test_greenhouse_in_trouble_is_said_and_leaves_what_was_there(
    ada: Client, sandbox: Sandbox, connect, fault: dict, word: str, quick_retries: None
) -> None:
    connection = connect()
    before = connection.credential
    sandbox.faults.add(**fault, times=None)
    said = _said(ada.post(URL, V1), "api_key")
    assert word in said
    assert "Nothing was saved" in said
    assert connection.credential == before


def test_greenhouse_that_is_not_there_is_said(
    cast: Cast, sign_in, settings, quick_retries: None
) -> None:
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    said = _said(sign_in(cast.ada).post(URL, V1), "api_key")
    assert "not answering" in said


def test_two_tabs_leave_one_credential_in_use_and_one_beside(ada: Client, connect) -> None:
    connection = connect()
    ada.post(URL, V3)
    ada.post(URL, V3)
    states = sorted(connection.credentials.values_list("state", flat=True))
    assert states == ["beside", "destroyed", "in_use"]


def test_before_anybody_works_with_it_a_credential_is_replaced_and_emptied(ada: Client) -> None:
    ada.post(URL, V1)
    ada.post(URL, V3)
    connection = Connection.objects.get()
    assert connection.credential.kind == "harvest_oauth"
    assert connection.credentials.get(state="destroyed").secret == ""


def test_a_task_carries_no_secret(ada: Client) -> None:
    ada.post(URL, V3)
    assert queued()
    for _, arguments in queued():
        assert all(isinstance(argument, int) for argument in arguments)


def test_nothing_a_customer_types_chooses_the_host(ada: Client, sandbox: Sandbox) -> None:
    ada.post(URL, {**V3, "client_id": "http://127.0.0.1:1/", "api_url": "http://127.0.0.1:1"})
    assert _nothing_saved()
    assert Connection.objects.get().credential is None
    assert reverse("onboarding:credential") == URL


def test_greenhouse_that_hangs_does_not_keep_the_person_waiting(
    ada: Client, sandbox: Sandbox, quick_retries: None
) -> None:
    sandbox.faults.add(latency_ms=3000, times=None)
    said = _said(ada.post(URL, V1), "api_key")
    assert "not answering" in said
    assert ApiCall.objects.get().status is None  # given up before the answer came
