"""A new customer's first day in a real browser, from customer success to the recruiters' lists."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Demo, Person

pytestmark = pytest.mark.browser

JOB_ACCESS, REJECT, REASONS = MISSING = [
    "harvest:user_job_permissions:list",
    "harvest:applications:reject",
    "harvest:rejection_reasons:list",
]
POLL_SECONDS = 0.5


class JobCountWatch:
    """Reads how many requisitions each person sees, again and again in a thread."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.counts: dict[str, list[int]] = {user.email: [] for user in people}
        self._clients = {user.email: self._build_client(user) for user in people}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> JobCountWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        for client in self._clients.values():
            client.close()

    @property
    def latest(self) -> dict[str, int]:
        return {email: counts[-1] for email, counts in self.counts.items() if counts}

    @staticmethod
    def _build_client(user: Person) -> httpx.Client:
        cookies = {cookie["name"]: cookie["value"] for cookie in user.page.context.cookies()}
        return httpx.Client(base_url=user.demo.url, cookies=cookies, timeout=60)

    def _run(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            for email, client in self._clients.items():
                self.counts[email].append(read_job_count(client.get("/requisitions/").text))


def read_job_count(page: str) -> int:
    """Return the number of requisitions that a page shows; -1 if it shows none."""
    count = re.search(r'id="job-count"[^>]*>\s*(\d+) requisition', page)
    return int(count[1]) if count else -1


def test_customer_goes_live_with_missing_permissions(demo: Demo, person) -> None:
    demo.run_function("tests.journeys.prepared_customers.remove_acme")
    credential = demo.create_credential("client", MISSING)

    # Customer success makes the customer and invites its admin.
    cas: Person = person("cas@portal.example")
    cas.open_path("/admin/accounts/organization/")
    cas.page.get_by_role("link", name="New customer").click()
    cas.check_page("70-new-customer")
    cas.page.get_by_label("Company name").fill("Acme")
    cas.page.get_by_label("Admin’s email").fill("ada@acme.example")
    cas.page.get_by_role("button", name="Create and invite").click()
    expect(cas.page.get_by_text("Invitation sent to ada@acme.example")).to_be_visible()
    cas.check_page("71-invitation")

    # The admin joins, and lands in Setup.
    ada: Person = person("ada@acme.example", signed_in=False)
    ada.open_path(demo.read_link(ada.email, "/invitation/"))
    ada.check_page("72-join")
    ada.accept_invitation("Ada Adeyemi")
    ada.page.wait_for_url("**/setup/**")
    ada.check_page("73-start")
    ada.page.get_by_role("button", name="Continue").click()
    ada.page.wait_for_url("**/setup/credential/")
    ada.check_page("74-credential")
    ada.paste_v3(credential["client_id"], credential["client_secret"])
    expect(ada.page.get_by_text("3 missing", exact=True)).to_be_visible()
    ada.check_page("75-missing")
    ada.page.get_by_role("link", name="Continue").click()
    for name in ("Remy", "Vic"):
        ada.page.get_by_role("checkbox", name=re.compile(name)).check()
    ada.check_page("76-people")
    ada.page.get_by_role("button", name="Invite selected").click()
    expect(ada.page.get_by_text("2 invitations sent.")).to_be_visible()
    ada.page.get_by_role("button", name="Continue").click()
    ada.page.wait_for_url(re.compile("/setup/(sync|live)/"))
    ada.open_path("/setup/sync/")
    expect(ada.page.get_by_text("Synced, except lists without permission")).to_be_visible()
    ada.check_page("77-synced")

    recruiters = []
    for name in ("remy", "vic"):
        recruiter: Person = person(f"{name}@acme.example", signed_in=False)
        recruiter.accept_invitation(name.title())
        expect(recruiter.page.locator("#job-count")).to_be_visible()
        recruiters.append(recruiter)
    recruiters[0].check_page("78-recruiter")

    with JobCountWatch(recruiters) as watch:
        _grant_permissions(demo, ada, person, credential["client_id"])
        # Everybody's list is right in the end ...
        visible = demo.fetch_stats()["visible_open_jobs"]
        expected = {user.email: visible[user.email.partition("@")[0]] for user in recruiters}
        _wait_for_counts(watch, ada, expected)
    # ... and at every moment in between.
    for email, counts in watch.counts.items():
        assert counts == sorted(counts), (email, counts)
        assert counts[0] > 0
    assert read_job_count(_open_requisitions(ada)) == visible["ada"]
    ada.open_path("/setup/live/")
    expect(ada.page.get_by_text("Connected", exact=True)).to_be_visible()
    ada.check_page("79-live")


def _grant_permissions(demo: Demo, ada: Person, person: Any, client_id: str) -> None:
    """A colleague without an account grants two by link, and somebody else the last."""
    ada.open_path("/setup/fix-links/")
    ada.page.get_by_label("Email").fill("gil@acme.example")
    ada.page.get_by_role("button", name="Email link").click()
    expect(ada.page.locator("#messages").get_by_text("Link emailed to gil@")).to_be_visible()
    ada.check_page("80-fix-links")
    gil: Person = person("gil@acme.example", signed_in=False)
    gil.open_path(demo.read_link(gil.email, "/setup/fix/"))
    expect(gil.page.get_by_text(JOB_ACCESS)).to_be_visible()
    gil.check_page("81-fix")
    demo.grant_permissions(client_id, [JOB_ACCESS, REJECT])
    gil.page.get_by_role("button", name="Test again").click()
    expect(gil.page.locator("#test-result")).to_contain_text("2 of 3 granted")
    gil.check_page("82-two-granted")
    demo.grant_permissions(client_id, [REASONS])
    gil.page.get_by_role("button", name="Test again").click()
    expect(gil.page.get_by_text("All permissions granted. Thank you!", exact=True)).to_be_visible()
    gil.check_page("83-all-granted")
    ada.open_path("/setup/permissions/")
    expect(ada.page.get_by_text("All permissions granted")).to_be_visible()


def _wait_for_counts(watch: JobCountWatch, user: Person, expected: dict[str, int]) -> None:
    for _ in range(120):
        if watch.latest == expected:
            return
        user.page.wait_for_timeout(POLL_SECONDS * 1000)
    pytest.fail(f"{watch.latest} is not {expected}")


def _open_requisitions(user: Person) -> str:
    user.open_path("/requisitions/")
    return user.page.content()
