"""Plain HTTP to a sandbox, and a manual clock."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from integrations.greenhouse.sandbox import (
    ACME_V1_KEY,
    ACME_V3_CLIENT_ID,
    ACME_V3_CLIENT_SECRET,
    Sandbox,
)
from integrations.greenhouse.sandbox.dataset.records import Application

_TLS = ssl.create_default_context()  # made once: it costs more than a sandbox


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance_clock(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class ApiClient:
    """A sandbox and an HTTP client for both API generations."""

    def __init__(self, sandbox: Sandbox, clock: ManualClock) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.http = httpx.Client(base_url=sandbox.url, verify=_TLS, timeout=120)
        self._tokens: dict[Any, str] = {}

    def find_user_id(self, name: str) -> int:
        return self.sandbox.dataset().find_user(name).id

    def v1(
        self, method: str, path: str, *, key: str = ACME_V1_KEY, by: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"On-Behalf-Of": str(self.find_user_id(by))} if by else {}
        headers |= more.pop("headers", {})
        return self.http.request(method, f"/v1{path}", auth=(key, ""), headers=headers, **more)

    def request_token(
        self,
        sub: int | None = None,
        client_id: str = ACME_V3_CLIENT_ID,
        secret: str = ACME_V3_CLIENT_SECRET,
    ) -> str:
        form = {"grant_type": "client_credentials"} | ({"sub": str(sub)} if sub else {})
        answer = self.http.post("/token", auth=(client_id, secret), data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def v3(
        self,
        method: str,
        path: str,
        *,
        by: str | None = None,
        token: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        if token is None:
            if by not in self._tokens:
                self._tokens[by] = self.request_token(self.find_user_id(by) if by else None)
            token = self._tokens[by]
        headers = {"Authorization": f"Bearer {token}"} | more.pop("headers", {})
        return self.http.request(method, f"/v3{path}", headers=headers, **more)

    def list_v1(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = self.v1("GET", path, params=params)
        rows: list[dict[str, Any]] = answer.json()
        while "next" in answer.links:
            answer = self.http.get(answer.links["next"]["url"], auth=(ACME_V1_KEY, ""))
            rows += answer.json()
        return rows

    def list_v3(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = self.v3("GET", path, params=params)
        rows: list[dict[str, Any]] = answer.json()
        while "next" in answer.links:
            token = self._tokens[None]
            answer = self.http.get(
                answer.links["next"]["url"], headers={"Authorization": f"Bearer {token}"}
            )
            rows += answer.json()
        return rows

    def get_granted_job_ids(self, name: str) -> set[int]:
        """Return the jobs that this user has grants for."""
        rows = self.sandbox.dataset().grants.filter_by("user_id", self.find_user_id(name))
        return {row.job_id for row in rows}

    def find_application(
        self,
        *,
        status: str = "active",
        stage: str | None = "Application Review",
        prospect: bool = False,
        job: str | None = None,
    ) -> Application:
        """Find an application on a public job, in this state and stage.

        ``job`` names a user: only jobs granted to them count.
        """
        dataset = self.sandbox.dataset()
        granted = self.get_granted_job_ids(job) if job else None
        for row in dataset.applications:
            current_job = dataset.jobs.get(row.job_id)
            if row.status != status or row.prospect != prospect:
                continue
            if not prospect and (
                current_job is None or current_job.confidential or current_job.status != "open"
            ):
                continue
            if granted is not None and row.job_id not in granted:
                continue
            current = dataset.stages.get(row.stage_id)
            if stage is None or (current and current.name == stage):
                return row
        raise LookupError("no such application")
