"""How long a session lasts, and prolonging it."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.test import Client
from django.urls import reverse

from tests.personas import Personas

MINUTE = 60


def _read_seconds(client: Client) -> int:
    page = client.get(reverse("notifications:preferences")).content.decode()
    match = re.search(r'data-session-seconds="(\d+)"', page)
    assert match
    return int(match[1])


def test_pages_say_when_session_ends(
    personas: Personas, sign_in, advance_clock: Callable[[float], None]
) -> None:
    remy = sign_in(personas.remy)
    age = settings.SESSION_COOKIE_AGE
    assert age - MINUTE < _read_seconds(remy) <= age
    advance_clock(age - 4 * MINUTE)
    assert 3 * MINUTE < _read_seconds(remy) <= 4 * MINUTE
    assert 3 * MINUTE < remy.get(reverse("session_time")).json()["seconds"] <= 4 * MINUTE


def test_session_is_prolonged_by_post(
    personas: Personas, sign_in, advance_clock: Callable[[float], None]
) -> None:
    remy = sign_in(personas.remy)
    age = settings.SESSION_COOKIE_AGE
    advance_clock(age - 4 * MINUTE)
    answer = remy.post(reverse("session_time"))
    assert answer.json() == {"seconds": age}
    assert answer.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == age
    advance_clock(age - 2 * MINUTE)
    assert remy.get(reverse("jobs:list")).status_code == 200


def test_ended_session_is_not_prolonged(
    personas: Personas, sign_in, advance_clock: Callable[[float], None]
) -> None:
    remy = sign_in(personas.remy)
    advance_clock(settings.SESSION_COOKIE_AGE + 1)
    assert remy.post(reverse("session_time")).status_code == 302
