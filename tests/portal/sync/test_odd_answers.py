"""Answers of Greenhouse that are odd as a whole: the sync ends, and the next one works."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from time_machine import TimeMachineFixture

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.http_server.messages import Request, Response
from portal.connections.models import Connection
from portal.sync.engine import run_lifecycle, worker
from portal.sync.models import Job, SyncRun

Change = Callable[[Request, Response], None]


def _set(**values: Any) -> Change:
    def change(request: Request, response: Response) -> None:
        for name, value in values.items():
            setattr(response, name, value)

    return change


def _link(target: str) -> Change:
    def change(request: Request, response: Response) -> None:
        response.headers["Link"] = f'<{target}>; rel="next"'

    return change


def _cut_off(request: Request, response: Response) -> None:
    response.body = response.body[: len(response.body) // 2]


def _cut_off_in_quotes(request: Request, response: Response) -> None:
    response.body = b'[{"id": 1, "name": "' + b'\\"' * 500_000


def _next_page_is_new_each_time(request: Request, response: Response) -> None:
    number = int(request.query.rpartition("number=")[2] or 0)
    url = f"{request.base_url}{request.path}?number={number + 1}"
    response.headers["Link"] = f'<{url}>; rel="next"'


REFUSED = {
    "page of HTML": _set(body=b"<html>Sign in</html>", content_type="text/html"),
    "no content": _set(status=204, body=b""),
    "empty body": _set(body=b""),
    "null": _set(body=b"null"),
    "object": _set(body=b'{"jobs": []}'),
    "cut off": _cut_off,
    "cut off within quotes": _cut_off_in_quotes,
    "wrong encoding": _set(body="[{}]".encode("utf-16")),
    "too many values": _set(body=b"[" + b"0," * 3_000_000 + b"0]"),
    "too many records": _set(body=b"[" + b"{}," * 20_000 + b"{}]"),
    "next page elsewhere": _link("https://harvest.example/v3/jobs?page=2"),
    "next page of another list": _link("/v3/users?page=2"),
    "next page malformed": _link("http://[::1"),
    "endless pages": _next_page_is_new_each_time,
}
ACCEPTED = {
    "huge limit": {"X-RateLimit-Limit": "9" * 30, "X-RateLimit-Remaining": "9" * 30},
    "limit in other digits": {"X-RateLimit-Limit": "\xb2", "X-RateLimit-Remaining": "\xb2"},
    "limit of 5,000 digits": {"X-RateLimit-Limit": "9" * 5000, "X-RateLimit-Remaining": "9" * 5000},
    "reset never": {"X-RateLimit-Limit": "1000", "X-RateLimit-Reset": "1e400"},
    "odd link": {"Link": "<" * 8_000},
    "link without relation": {"Link": "<https://harvest.example>; a=b, ;;"},
}
TOKENS: dict[str, Any] = {
    "empty": "",
    "line break": "a\r\nb: c",
    "null character": "a\0",
    "not ASCII": "é",
    "null": None,
    "number": 10**30,
    "huge": "x" * 200_000,
}
LIFETIMES = ["1e308", '"9999-12-31T23:59:59Z"', "-5", '"soon"', "null", "0"]


@pytest.fixture
def alter_answers(sandbox: Sandbox) -> Iterator[Callable[..., None]]:
    """Change each answer about a path; without a change, answer normally again."""
    original = sandbox.app.handle

    def alter(path: str, change: Change | None = None) -> None:
        def handle(request: Request) -> Response:
            response: Response = original(request)
            if change is not None and request.path.endswith(path):
                change(request, response)
            return response

        sandbox.app.handle = handle  # type: ignore[method-assign]

    yield alter
    sandbox.app.handle = original  # type: ignore[method-assign]


@pytest.fixture
def run_sync(run_tasks, quick_retries) -> Callable[[Connection], SyncRun]:
    def synced(connection: Connection) -> SyncRun:
        run = run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
        run_tasks()
        run.refresh_from_db()
        return run

    return synced


@pytest.mark.slow("syncs once per odd answer")
def test_odd_lists_fail_the_sync_by_name(
    connect, kind: str, run_sync, alter_answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MAX_PAGES", 20)
    connection = connect(kind)
    jobs = Job.objects.filter(gone_at=None).count()
    for name, change in REFUSED.items():
        alter_answers("/jobs", change)
        _assert_failed_by_name(run_sync(connection), name)
        assert Job.objects.filter(gone_at=None).count() == jobs, name
    alter_answers("/jobs")
    assert run_sync(connection).status == SyncRun.Status.DONE


def _assert_failed_by_name(run: SyncRun, case: str) -> None:
    assert run.status == SyncRun.Status.FAILED, case
    assert run.failure, case
    assert "unexpected error" not in run.failure, case


@pytest.mark.slow("syncs once per odd header")
def test_odd_headers_change_nothing(connect, kind: str, run_sync, alter_answers) -> None:
    connection = connect(kind)
    for name, headers in ACCEPTED.items():
        alter_answers("/departments", lambda _, answer, add=headers: answer.headers.update(add))
        assert run_sync(connection).status == SyncRun.Status.DONE, name


def test_huge_limit_used_up_is_waited_for(
    connect, kind: str, run_sync, alter_answers, time_machine: TimeMachineFixture
) -> None:
    time_machine.move_to(datetime.now(UTC).replace(second=1))  # windows of 30 s begin at 0 and 30
    connection = connect(kind)
    headers = {"X-RateLimit-Limit": "9" * 30, "X-RateLimit-Remaining": "0"}
    alter_answers("/departments", lambda _, response: response.headers.update(headers))
    assert run_sync(connection).cause == SyncRun.Cause.RATE_LIMIT


@pytest.mark.slow("syncs once per odd token")
def test_odd_tokens_fail_the_sync_by_name(
    connect, sandbox: Sandbox, run_sync, alter_answers
) -> None:
    connection = connect()
    for name, token in TOKENS.items():
        body = json.dumps({"expires_in": 3600, "access_token": token}).encode()
        alter_answers("/token", _set(body=body))
        sandbox.app.tokens.expire_all()
        _assert_failed_by_name(run_sync(connection), name)
    alter_answers("/token")
    assert run_sync(connection).status == SyncRun.Status.DONE


@pytest.mark.slow("syncs once per odd lifetime")
def test_odd_token_lifetime_is_bounded(connect, sandbox: Sandbox, run_sync, alter_answers) -> None:
    connection = connect()
    for lifetime in LIFETIMES:

        def change(request: Request, response: Response, lifetime: str = lifetime) -> None:
            token = json.loads(response.body)["access_token"]
            response.body = f'{{"access_token": "{token}", "expires_in": {lifetime}}}'.encode()

        alter_answers("/token", change)
        sandbox.app.tokens.expire_all()
        run = run_sync(connection)
        assert run.status == SyncRun.Status.DONE, (lifetime, run.cause, run.failure)
