from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.http.redaction import MAX_REDACTED_LENGTH, redact_text


@pytest.mark.parametrize(
    ("text", "redacted"),
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
def test_sensitive_text_is_redacted(text: str, redacted: str) -> None:
    assert redact_text(text) == redacted


def test_known_secret_is_redacted_everywhere() -> None:
    assert "hunter-two" not in redact_text("you sent hunter-two, hunter-two!", ("hunter-two",))


@given(st.text(), st.text(min_size=4, max_size=40))
@example("a few words " * 50, "hunter-two")
def test_redacted_text_is_short_without_secret(text: str, secret: str) -> None:
    redacted = redact_text(f"{text}{secret}{text}", (secret,))
    assert len(redacted) <= MAX_REDACTED_LENGTH
    if "…" not in secret:
        assert secret not in redacted or secret in redact_text(text + "…" + text)


DOMAINS = st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{2,10}){1,3}", fullmatch=True)


@given(st.emails(domains=DOMAINS))
def test_email_addresses_are_redacted(address: str) -> None:
    assert address not in redact_text(f"user {address} is unknown")
