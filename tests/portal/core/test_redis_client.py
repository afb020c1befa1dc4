"""The circuit breaker in front of Redis."""

from __future__ import annotations

import pytest
import redis

from portal.core.redis import client as redis_client
from portal.core.redis.client import CircuitBreaker, CircuitOpenError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(redis_client.time, "monotonic", lambda: now[0])
    return now


def _fail(breaker: CircuitBreaker, error: type[redis.RedisError] = redis.TimeoutError) -> None:
    with pytest.raises(error), breaker.guard():
        raise error


def _is_admitted(breaker: CircuitBreaker) -> bool:
    try:
        with breaker.guard():
            return True
    except CircuitOpenError:
        return False


@pytest.mark.parametrize("error", [redis.TimeoutError, redis.ConnectionError])
def test_failure_opens_for_cooldown(clock: list[float], error: type[redis.RedisError]) -> None:
    breaker = CircuitBreaker(cooldown_seconds=2)
    _fail(breaker, error)
    clock[0] += 1.9
    assert not _is_admitted(breaker)
    clock[0] += 0.2
    assert _is_admitted(breaker)
    assert _is_admitted(breaker)


def test_error_response_keeps_closed(clock: list[float]) -> None:
    breaker = CircuitBreaker()
    _fail(breaker, redis.ResponseError)
    assert _is_admitted(breaker)


def test_one_caller_probes_per_cooldown(clock: list[float]) -> None:
    breaker = CircuitBreaker(cooldown_seconds=2)
    _fail(breaker)
    clock[0] += 2
    with breaker.guard():  # has not returned yet
        assert not _is_admitted(breaker)
    assert _is_admitted(breaker)


def test_killed_probe_is_followed_by_another(clock: list[float]) -> None:
    breaker = CircuitBreaker(cooldown_seconds=2)
    _fail(breaker)
    clock[0] += 2
    breaker.guard().__enter__()
    assert not _is_admitted(breaker)
    clock[0] += 2
    assert _is_admitted(breaker)


def test_explicit_probe_passes_and_closes(clock: list[float]) -> None:
    breaker = CircuitBreaker()
    _fail(breaker)
    with breaker.guard(is_probe=True):
        pass
    assert _is_admitted(breaker)
