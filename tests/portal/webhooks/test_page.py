"""The page on which an admin sets web hooks up."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.webhooks.models import Address
from tests.cast import Cast
from tests.portal.webhooks.conftest import PAGE, Hook, shown_secret

PART = {"HTTP_HX_REQUEST": "true"}
DAY = 24 * 3600


@pytest.fixture
def ada(cast: Cast, sign_in) -> Client:
    return sign_in(cast.ada)


def test_before_a_credential_there_is_nothing_to_set_up(cast: Cast, ada: Client) -> None:
    assert ada.get(PAGE).url == "/set-up/"
    assert ada.post(f"{PAGE}secret/").url == "/set-up/"
    assert not Address.objects.exists()


def test_the_live_page_leads_here(full_hook: Hook, ada: Client) -> None:
    assert PAGE.encode() in ada.get("/set-up/live/").content


def test_the_secret_is_shown_once_and_never_again(hook: Hook, ada: Client) -> None:
    Address.objects.all().delete()
    page = ada.post(f"{PAGE}secret/")
    secret = shown_secret(page)
    assert len(secret) >= 40
    assert "no-store" in page["Cache-Control"]
    again = ada.get(PAGE).content.decode()
    assert secret not in again
    assert secret[-4:] in again
    assert Address.objects.get().token in again


def test_a_secret_is_encrypted_and_an_entry_of_the_audit_tells_who_made_it(hook: Hook) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM webhooks_address")
        assert hook.secret not in cursor.fetchone()[0]
    entry = Entry.objects.filter(verb="webhooks.made").get()
    assert "ada@acme.example" in entry.by_words
    assert hook.secret not in str(entry.__dict__)


def test_every_web_hook_is_listed_with_what_it_gives(hook: Hook, ada: Client) -> None:
    from integrations.greenhouse.webhooks import EVENTS

    page = ada.get(PAGE).content.decode()
    places = [page.index(f'id="event-{event.action}"') for event in EVENTS]
    assert places == sorted(places)
    for event in EVENTS:
        assert event.gives.replace("'", "&#x27;") in page


def test_marks_turn_to_seen_while_one_looks(hook: Hook, ada: Client) -> None:
    before = ada.get(PAGE, **PART).content.decode()
    assert "<html" not in before
    assert "0 of 18 heard so far" in before
    assert 'hx-trigger="every 5s"' in before
    hook.about(1, "candidate_stage_change")
    after = ada.get(PAGE, **PART).content.decode()
    assert "1 of 18 heard so far" in after


def test_once_everything_was_heard_the_page_rests(hook: Hook, ada: Client) -> None:
    from integrations.greenhouse.webhooks import EVENTS

    for event in EVENTS:
        if not event.optional:
            hook.tells(event.action, {})
    assert "hx-trigger" not in ada.get(PAGE, **PART).content.decode()


def test_a_mistyped_secret_is_said(hook: Hook, ada: Client) -> None:
    Hook(hook.connection, "mistyped").about(1)
    assert "1 wrongly signed message" in ada.get(PAGE).content.decode()


def test_the_test_goes_the_way_of_a_delivery_and_says_how_far_it_came(
    hook: Hook, ada: Client, work, sandbox: Sandbox
) -> None:
    ada.post(f"{PAGE}test/")
    assert "a worker has not read it yet" in ada.get(PAGE).content.decode()
    work()
    page = ada.get(PAGE).content.decode()
    assert "Taken in and read by a worker" in page
    assert "</time>." in page, "no blank before the full stop"
    assert "0 of 18 heard so far" in page  # it is no sign of Greenhouse
    assert hook.address.heard_at is None
    assert not list(sandbox.requests)


# -- a new secret ------------------------------------------------------------------------------


def _renewed(hook: Hook, ada: Client) -> Hook:
    page = ada.post(f"{PAGE}secret/", {"version": hook.address.version})
    return Hook(hook.connection, shown_secret(page))


def test_a_new_secret_loses_no_delivery(hook: Hook, ada: Client, later) -> None:
    new = _renewed(hook, ada)
    assert new.secret not in {"", hook.secret}
    assert new.about(1).status_code == 200
    assert hook.about(2, "candidate_stage_change").status_code == 200
    assert "1 still with the former secret" in ada.get(PAGE).content.decode()
    assert new.about(2, "candidate_stage_change").status_code == 200
    assert "still with the former secret" not in ada.get(PAGE).content.decode()
    later(7 * DAY + 1)
    assert hook.about(3).status_code == 401
    assert new.about(4).status_code == 200


def test_the_former_secret_is_forgotten_when_its_time_is_over(hook: Hook, ada, later) -> None:
    from portal.webhooks.tasks import sweep

    _renewed(hook, ada)
    assert hook.address.former_secret == hook.secret
    later(7 * DAY + 1)
    sweep()
    assert hook.address.former_secret == ""


def test_a_leaked_secret_can_be_ended_at_once(hook: Hook, ada: Client) -> None:
    new = _renewed(hook, ada)
    ada.post(f"{PAGE}end-former/")
    assert hook.about(1).status_code == 401
    assert new.about(1).status_code == 200
    assert Entry.objects.filter(verb="webhooks.ended").count() == 1


def test_sending_the_form_twice_makes_one_secret(hook: Hook, ada: Client) -> None:
    version = hook.address.version
    first = ada.post(f"{PAGE}secret/", {"version": version})
    second = ada.post(f"{PAGE}secret/", {"version": version}, follow=True)
    assert shown_secret(second) == ""
    assert "a secret is shown only once" in second.content.decode()
    assert Hook(hook.connection, shown_secret(first)).about(1).status_code == 200
    assert Entry.objects.filter(verb="webhooks.renewed").count() == 1


@pytest.mark.parametrize("version", ["", "0", "-1", "x", "9" * 30, "²"])
def test_a_form_of_our_own_making_makes_no_secret(hook: Hook, ada: Client, version: str) -> None:
    ada.post(f"{PAGE}secret/", {"version": version})
    assert hook.about(1).status_code == 200
    assert hook.address.version == 1


# -- who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["sam", "remy"])
def test_recruiters_have_no_business_here(hook: Hook, cast: Cast, sign_in, who: str) -> None:
    somebody = sign_in(getattr(cast, who))
    for path in ("", "secret/", "end-former/", "test/"):
        assert somebody.get(PAGE + path).status_code in {403, 405}
        assert somebody.post(PAGE + path).status_code in {403, 405}
    assert hook.address.version == 1


def test_zoe_sees_and_changes_nothing_of_acmes(hook: Hook, cast: Cast, sign_in) -> None:
    zoe = sign_in(cast.zoe)
    for path in ("", "secret/", "end-former/", "test/"):
        for answer in (zoe.get(PAGE + path), zoe.post(PAGE + path, {"version": 1})):
            assert hook.address.token not in answer.content.decode()
            assert answer.status_code in {302, 404, 405}
    assert hook.address.version == 1


def test_the_page_costs_the_same_however_much_was_delivered(
    hook: Hook, ada: Client, django_assert_max_num_queries
) -> None:
    for number in range(30):
        hook.about(number)
    with django_assert_max_num_queries(9):
        ada.get(PAGE)
