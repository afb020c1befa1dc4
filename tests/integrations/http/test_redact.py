from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.http.redact import LONGEST, redact


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("client_id=abc.def-ghv3 is not valid", "client_id=… is not valid"),
        ("write to juliet.burke@example.com please", "write to … please"),
        ("Bearer abcdefghijk was refused", "… was refused"),
        ("eyJhbGciOi.eyJzdWIiOjF9.c2ln expired", "… expired"),
        ("application 169024258003 is gone", "application … is gone"),
        ("call +1 (555) 123-4567 now", "call … now"),
        ("key 5a1d0b0cacae7f3b9d2e4c6a8f10e2d4-1 unknown", "key … unknown"),
        ("<html><body>Bad   gateway</body></html>", "…Bad gateway…"),
        ("`600` number is greater than: 500", "`600` number is greater than: 500"),
        ("scope harvest:user_job_permissions:list", "scope harvest:user_job_permissions:list"),
    ],
)
def test_what_must_not_be_kept_is_blotted_out(text: str, kept: str) -> None:
    assert redact(text) == kept


def test_a_known_secret_is_blotted_out_wherever_it_stands() -> None:
    assert "hunter-two" not in redact("you sent hunter-two, hunter-two!", ("hunter-two",))


@given(st.text(), st.text(min_size=4, max_size=40))
def test_no_known_secret_survives_and_the_text_stays_short(text: str, secret: str) -> None:
    kept = redact(f"{text}{secret}{text}", (secret,))
    assert len(kept) <= LONGEST
    if "…" not in secret:
        assert secret not in kept or secret in redact(text + "…" + text)


@given(st.emails())
def test_no_address_survives(address: str) -> None:
    assert address not in redact(f"user {address} is unknown")
