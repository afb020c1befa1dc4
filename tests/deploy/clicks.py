"""A recruiter who clicks through a proxy, and repeats a click until it is accepted."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence

import httpx
from django.utils.html import strip_tags

from tests.bench.customers import Customer
from tests.bench.tenant_load import HTMX, Event, build_click
from tests.deploy.machines import Machine
from tests.deploy.proxies import HOST, Proxy

CSRF_TOKEN = "a" * 32
SEEN_WITHIN_SECONDS = 3.0
REPEAT_AFTER_SECONDS = 0.5
PAUSE_SECONDS = 0.3  # between clicks
PATIENCE_SECONDS = 120


class Clicker:
    """Advances one application after the other, as Sam, a Site Admin."""

    def __init__(self, customer: Customer, proxy: Proxy, machines: Sequence[Machine]) -> None:
        self.events: list[Event] = []
        self.problems: list[str] = []
        self._customer = customer
        cookies = {"sessionid": _sign_in(customer.build_email("sam")), "csrftoken": CSRF_TOKEN}
        headers = {**HTMX, "X-CSRFToken": CSRF_TOKEN, "Origin": f"https://{HOST}"}
        self._browser = proxy.client(**headers)
        self._browser.cookies.update(cookies)
        self._direct = [
            httpx.Client(base_url=f"http://{machine.servers[0]}", cookies=cookies, timeout=5)
            for machine in machines
        ]
        self._waiting = _list_applications(customer)
        self._failed: Counter[str] = Counter()
        self._longest = 0.0

    def click_times(self, count: int) -> None:
        for _ in range(count):
            time.sleep(PAUSE_SECONDS)
            self._click_once(self._waiting.pop())

    def take_failures(self) -> tuple[Counter[str], float]:
        """Return failed requests and the longest time until a click was accepted, since last."""
        result = self._failed, self._longest
        self._failed, self._longest = Counter(), 0.0
        return result

    def _click_once(self, pk: int) -> None:
        from portal.sync.models import Application

        application = Application.objects.select_related("stage").get(pk=pk)
        event = Event("click", self._customer, time.time(), values={"key": uuid.uuid4()})
        event.values["remote_id"] = application.remote_id
        form = build_click(application, event.values["key"])
        while not event.is_accepted and time.time() - event.due_at < PATIENCE_SECONDS:
            self._post(event, f"/applications/{pk}/advance/", form)
        self.events.append(event)
        self._longest = max(self._longest, event.seconds)
        self._look_through_each_machine(pk)

    def _post(self, event: Event, path: str, form: dict[str, object]) -> None:
        try:
            response = self._browser.post(path, data=form)
            event.status, event.text = response.status_code, response.text
        except httpx.TransportError as error:
            event.status, event.text = 0, repr(error)
        event.answered_at = time.time()
        if not event.is_accepted:
            self._failed[str(event.status or event.text)] += 1
            time.sleep(REPEAT_AFTER_SECONDS)

    def _look_through_each_machine(self, pk: int) -> None:
        """Whoever answers at all must show the click."""
        for client in self._direct:
            try:
                row = client.get(f"/applications/{pk}/row/", timeout=SEEN_WITHIN_SECONDS)
            except httpx.TransportError:
                continue
            if row.status_code == 200 and "advanc" not in row.text.lower():
                shown = " ".join(strip_tags(row.text).split())[:200]
                self.problems.append(f"the click on {pk} through {client.base_url} shows: {shown}")


def _sign_in(email: str) -> str:
    from django.test import Client

    from portal.accounts.models import User

    browser = Client()
    browser.force_login(User.objects.get(email=email))
    return browser.cookies["sessionid"].value


def _list_applications(customer: Customer) -> list[int]:
    """Return active applications that are not in their job's last stage, shuffled by their IDs."""
    from portal.sync.models import Application, Stage

    applications = Application.objects.filter(
        connection_id=customer.connection_id,
        gone_at=None,
        status="active",
        prospect=False,
        job__status="open",
        job__confidential=False,
        candidate__private=False,
    ).select_related("stage")
    stages = Stage.objects.filter(active=True, gone_at=None).order_by("job", "order")
    last: dict[int | None, int] = dict(stages.values_list("job", "order"))
    return [a.pk for a in applications if a.stage and a.stage.order < last[a.job_id]]
