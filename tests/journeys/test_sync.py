"""Webhooks and sync history in a real browser, with real workers."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import Demo, Person, get_visible_text, reload_until

pytestmark = pytest.mark.browser

SYNCS = "/setup/syncs/"


def _control_sandbox(demo: Demo, method: str, path: str, /, **body: object) -> Any:
    """Call a control endpoint of the sandbox."""
    answer = httpx.request(method, f"{demo.sandbox_url}/__{path}", json=body, timeout=60)
    answer.raise_for_status()
    return answer.json()


@pytest.fixture
def ada(person) -> Person:
    """Acme's admin, just after the first sync."""
    ada: Person = person("ada@acme.example")
    ada.paste_v3(greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    ada.await_permissions()
    ada.page.get_by_role("link", name="Continue").click()
    ada.page.get_by_role("button", name="Continue").click()
    ada.page.wait_for_url(re.compile("/setup/(sync|live)/"))
    ada.open_path("/setup/sync/")
    expect(get_visible_text(ada.page, "Everything is synced").first).to_be_visible()
    return ada


def test_webhook_brings_greenhouse_change(demo: Demo, ada: Person, person) -> None:
    sam: Person = person("sam@acme.example")  # a Site Admin, with the list open
    name = sam.page.locator("#job-table tbody a").first.inner_text().strip()
    ada.open_path("/setup/webhooks/")
    ada.check_page("60-webhooks-before")
    ada.page.get_by_role("button", name="Create URL and secret").click()
    expect(get_visible_text(ada.page, "Your secret key")).to_be_visible()
    ada.check_page("61-webhooks-secret")
    address = ada.page.locator("#address").inner_text()
    secret = ada.page.locator("#secret").inner_text()

    # A Greenhouse admin pastes both; Greenhouse pings at once, and the page shows it.
    _control_sandbox(demo, "POST", "webhooks", url=address, secret=secret)
    expect(get_visible_text(ada.page, "1 ping from Greenhouse")).to_be_visible()
    ada.page.get_by_role("button", name="Send test").click()
    expect(ada.page.locator("#test-result")).to_contain_text("Works")

    jobs = httpx.get(
        f"{demo.sandbox_url}/v1/jobs", auth=(greenhouse.ACME_V1_KEY, ""), params={"per_page": 500}
    ).json()
    job = next(job for job in jobs if job["name"] == name and job["status"] == "open")
    _control_sandbox(
        demo, "POST", "mutate", action="rename_job", job_id=job["id"], name="Renamed by webhook"
    )
    expect(ada.page.locator("#event-job_updated")).to_contain_text("Received")
    expect(ada.page.locator("#received-count")).to_have_text(re.compile("^1 of"))
    ada.check_page("62-webhooks-heard")
    renamed = sam.page.locator("#job-table").get_by_text("Renamed by webhook")
    reload_until(sam.page, lambda: renamed.count() > 0)  # received is not yet processed
    expect(renamed.first).to_be_visible()


def test_sync_history_shows_each_outcome(demo: Demo, ada: Person) -> None:
    ada.open_path(SYNCS)
    runs = ada.page.locator("#runs .row-item")
    expect(runs).to_have_count(1)

    def sync_now() -> None:
        ada.page.get_by_role("button", name="Sync now").click()

    # Some records may no longer be read: the sync is partial.
    credential = {"credential": greenhouse.ACME_V3_CLIENT_ID}
    lacking = ["candidates.list", "candidates.retrieve"]
    _control_sandbox(demo, "PATCH", "credentials", **credential, remove=lacking)
    sync_now()
    expect(runs.first).to_contain_text("Partial")
    runs.first.locator("summary").click()
    expect(runs.first).to_contain_text("Candidates")
    ada.check_page("63-syncs-partial")

    # Greenhouse's answers cannot be parsed: the sync fails.
    _control_sandbox(demo, "PATCH", "credentials", **credential, grant=lacking)
    demo.add_fault(path="/v3/jobs", kind="html", times=9)
    sync_now()
    expect(runs.first).to_contain_text("Failed")
    expect(get_visible_text(ada.page, "The last sync failed")).to_be_visible()
    ada.check_page("64-syncs-failed")

    # The next sync succeeds: while it runs no failure is shown, and open details stay open.
    demo.clear_faults()
    demo.add_fault(path="/v3/", latency_ms=1500, times=None)
    summary_id = runs.first.locator("summary").get_attribute("id")
    runs.first.locator("summary").click()
    sync_now()
    expect(runs.first).to_contain_text("Syncing")
    expect(get_visible_text(ada.page, "The last sync failed")).to_be_hidden()
    summary = ada.page.locator(f"summary[id={summary_id}]")
    failed = ada.page.locator("#runs details").filter(has=summary)
    if not failed.evaluate("details => details.open"):
        failed.locator("summary").click()
    ada.check_page("65-syncs-running")
    demo.clear_faults()
    expect(runs.first).to_contain_text("Done")
    expect(failed).to_have_attribute("open", "")
    ada.check_page("66-syncs-mended")
