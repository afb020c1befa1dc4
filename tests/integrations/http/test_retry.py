from __future__ import annotations

import pytest

from integrations.http.retry import how_long, told_wait

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
        ("86400", None, 3600),
    ],
)
def test_the_wait_that_an_answer_asks_for(
    retry_after: str | None, reset: str | None, seconds: float | None
) -> None:
    assert told_wait(retry_after, reset, now=NOW) == seconds


def test_waits_grow_and_stay_bounded() -> None:
    assert 0 < how_long(1) <= 0.25
    assert how_long(50) <= 8.0
