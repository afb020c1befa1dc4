"""A fixed mix of what customers do, started by the clock, however slow the answers are."""

from __future__ import annotations

import itertools
import json
import random
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from integrations.greenhouse.sandbox.webhooks.delivery import sign_body
from tests.bench.customers import Customer, SandboxControl

# How often each kind happens beside the others. Syncs come by schedule, too, and all are measured.
MIX = {
    "list page": 40,
    "requisition page": 40,
    "click": 8,
    "webhook": 9,
    "refresh": 4,
    "check": 2,
    "sync": 2,
}
EVENTS_PER_SECOND = 10  # at a rate of 1
THREADS = 48
TIMEOUT = 120
_TLS = ssl.create_default_context()  # made once: it costs more than a request
HTMX = {"HX-Request": "true"}


@dataclass
class Event:
    """Something that a customer did: when it was due, and when it was answered."""

    kind: str
    customer: Customer
    due_at: float
    answered_at: float = 0.0
    status: int = 0  # 0: no answer
    text: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.answered_at - self.due_at

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.status < 400


class Tenant:
    """The browsers of a customer's admin and recruiter, and Greenhouse's webhooks."""

    def __init__(self, customer: Customer, base_url: str, sessions: dict[str, str]) -> None:
        from portal.sync.models import Application, Candidate, Job
        from portal.webhooks.models import Endpoint

        self.customer = customer
        self._arguments = (customer, base_url, sessions)
        self.admin, self.recruiter = (
            _open_browser(base_url, sessions[customer.build_email(name)]) for name in ("ada", "sam")
        )
        of = {"connection_id": customer.connection_id, "gone_at": None}
        jobs = Job.objects.filter(**of, status="open", confidential=False)
        self.job_ids = list(jobs.order_by("pk").values_list("pk", flat=True))
        self.application_ids = list(
            Application.objects.filter(
                **of, status="active", prospect=False, job__in=jobs, candidate__private=False
            ).values_list("pk", flat=True)
        )
        self.candidate_ids = list(
            Candidate.objects.filter(**of, private=False).values_list("remote_id", flat=True)
        )
        endpoint = Endpoint.objects.get(connection=customer.connection_id)
        self.webhook_path, self.webhook_secret = f"/webhooks/{endpoint.token}/", endpoint.secret
        self._clicks = itertools.cycle(self.application_ids)
        self._renamed = itertools.cycle(self.candidate_ids)
        self._visited = itertools.cycle(self.job_ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tenant, self._arguments

    def open_list(self, event: Event) -> httpx.Response:
        return self.recruiter.get("/requisitions/")

    def open_requisition(self, event: Event) -> httpx.Response:
        return self.recruiter.get(f"/requisitions/{next(self._visited)}/")

    def refresh_requisition(self, event: Event) -> httpx.Response:
        event.values["job"] = next(self._visited)
        return self.recruiter.post(f"/requisitions/{event.values['job']}/refresh/")

    def test_permissions(self, event: Event) -> httpx.Response:
        return self.admin.post("/setup/permissions/", headers=HTMX)

    def sync_changes(self, event: Event) -> httpx.Response:
        return self.admin.post("/setup/syncs/")

    def advance_application(self, event: Event) -> httpx.Response | None:
        application = self._choose_application()
        if application is None:
            return None
        event.values |= {"key": uuid.uuid4(), "remote_id": application.remote_id}
        form = build_click(application, event.values["key"])
        path = f"/applications/{application.pk}/advance/"
        event.due_at = time.time()  # the application was looked up first
        return self.recruiter.post(path, data=form, headers=HTMX)

    def _choose_application(self) -> Any:
        """Return the next application that is not in its last stage, if there is any."""
        from portal.sync.models import Application, Stage

        for pk in itertools.islice(self._clicks, len(self.application_ids)):
            application = Application.objects.select_related("stage").get(pk=pk)
            stages = Stage.objects.filter(job=application.job_id, active=True, gone_at=None)
            if application.stage and stages.filter(order__gt=application.stage.order).exists():
                return application
        return None

    def deliver_webhook(self, event: Event, sandbox: SandboxControl) -> httpx.Response:
        candidate_id = next(self._renamed)
        name = f"Renamed {random.randrange(10**9)}"
        sandbox.run_mutation(
            self.customer.account.name, "rename_candidate",
            candidate_id=candidate_id, first_name="Cara", last_name=name,
        )  # fmt: skip
        event.values |= {"event_id": str(uuid.uuid4()), "candidate": candidate_id}
        event.due_at = time.time()
        return self.send_delivery(candidate_id, self.webhook_secret, event.values["event_id"])

    def send_delivery(self, candidate_id: int, secret: str, event_id: str) -> httpx.Response:
        payload = {"action": "update_candidate", "payload": {"candidate": {"id": candidate_id}}}
        body = json.dumps(payload).encode()
        headers = {"Signature": sign_body(secret, body), "Greenhouse-Event-ID": event_id}
        headers["Content-Type"] = "application/json"
        return self.recruiter.post(self.webhook_path, content=body, headers=headers)


def build_click(application: Any, key: uuid.UUID) -> dict[str, Any]:
    """Return what a button on the application's row sends."""
    return {
        "key": str(key),
        "stage": application.stage_remote_id or "",
        "entry": application.stage_entry_id or "",
        "stage_name": application.stage_name,
    }


def _open_browser(base_url: str, session_key: str) -> httpx.Client:
    token = "a" * 32  # Django compares the cookie with the header
    return httpx.Client(
        base_url=base_url,
        cookies={"sessionid": session_key, "csrftoken": token},
        headers={"X-CSRFToken": token},
        follow_redirects=False,
        timeout=TIMEOUT,
        verify=_TLS,
    )


class Load:
    """Starts events at their time in threads, so that slow answers do not delay the next ones."""

    def __init__(self, tenants: list[Tenant], sandbox: SandboxControl) -> None:
        self._turns = {kind: itertools.cycle(tenants) for kind in MIX}
        # While a customer's permissions are checked, no sync of it can be asked for.
        half = len(tenants) // 2
        self._turns["sync"] = itertools.cycle(tenants[half:] + tenants[:half])
        self._sandbox = sandbox
        self._kinds = _spread_kinds()
        self.events: list[Event] = []

    def run(self, seconds: float, rate: float) -> list[Event]:
        """Return all events of these seconds once each is answered; `events` has them earlier."""
        self.events = events = []
        began = time.time()
        interval = 1 / (EVENTS_PER_SECOND * rate)
        with ThreadPoolExecutor(THREADS) as pool:
            for number in range(int(seconds / interval)):
                due_at = began + number * interval
                if (wait := due_at - time.time()) > 0:
                    time.sleep(wait)
                kind = next(self._kinds)
                tenant = next(self._turns[kind])
                event = Event(kind, tenant.customer, due_at)
                events.append(event)
                pool.submit(run_event, event, self._get_action(kind, tenant))
        return events

    def _get_action(self, kind: str, tenant: Tenant) -> Callable[[Event], httpx.Response | None]:
        if kind == "webhook":
            return lambda event: tenant.deliver_webhook(event, self._sandbox)
        return {
            "list page": tenant.open_list,
            "requisition page": tenant.open_requisition,
            "click": tenant.advance_application,
            "refresh": tenant.refresh_requisition,
            "check": tenant.test_permissions,
            "sync": tenant.sync_changes,
        }[kind]


def run_event(event: Event, action: Callable[[Event], httpx.Response | None]) -> None:
    """Do it and note the answer; a status of -1 says that there was nothing to do."""
    from django.db import connection

    from portal.core.tenancy.scope import all_organizations

    try:
        with all_organizations("the benchmark plays every customer"):
            response = action(event)
        event.answered_at = time.time()
        event.status = response.status_code if response is not None else -1
        event.text = response.text if response is not None else ""
    except httpx.TransportError as error:
        event.answered_at, event.text = time.time(), repr(error)
    finally:
        connection.close()


def _spread_kinds() -> Iterator[str]:
    """Yield kinds in the proportions of the mix, each as evenly as possible."""
    total = sum(MIX.values())
    credit = dict.fromkeys(MIX, 0.0)
    while True:
        for kind, weight in MIX.items():
            credit[kind] += weight / total
        chosen = max(credit, key=lambda kind: credit[kind])
        credit[chosen] -= 1
        yield chosen
