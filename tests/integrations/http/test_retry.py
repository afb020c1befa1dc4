from __future__ import annotations

import pytest

from integrations.http.backoff import compute_backoff, parse_retry_after

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("retry_after", "reset", "seconds"),
    [
        ("3", None, 3),
        ("3", str(NOW + 60), 3),
        (None, str(NOW + 7), 7),
        (None, "7", 7),
        (None, "2027-01-15T08:00:05Z", 5),
        ("Fri, 15 Jan 2027 08:00:09 GMT", None, 9),
        ("-5", None, None),
        ("nan", None, None),
        ("soon", "later", None),
        (None, str(NOW - 100), 0),
        ("86400", None, 86400),
        ("99999999999999999999", None, 30 * 86400),
    ],
)
def test_wait_follows_response_headers(
    retry_after: str | None, reset: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(retry_after, reset, now=NOW) == seconds


def test_backoff_doubles_up_to_limit() -> None:
    for tries, longest in ((1, 0.25), (2, 0.5), (3, 1.0), (6, 8.0), (50, 8.0)):
        assert longest / 2 <= compute_backoff(tries) <= longest
