"""Web hooks and the history of syncs in a real browser, with real workers and a real Greenhouse."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import Demo, Person

pytestmark = pytest.mark.browser

SYNCS = "/set-up/syncs/"


def _greenhouse(demo: Demo, method: str, path: str, /, **told: object) -> Any:
    """Something happens in Greenhouse, or on the way to it."""
    answer = httpx.request(method, f"{demo.greenhouse}/__{path}", json=told, timeout=60)
    answer.raise_for_status()
    return answer.json()


@pytest.fixture
def ada(person) -> Person:
    """Acme's admin, who has connected Greenhouse and seen everything read."""
    ada: Person = person("ada@acme.example")
    ada.goes_to("/set-up/credential/")
    ada.page.get_by_label("Client ID").fill(greenhouse.ACME_V3_CLIENT_ID)
    ada.page.get_by_label("Client secret", exact=True).fill(greenhouse.ACME_V3_CLIENT_SECRET)
    ada.page.get_by_role("button", name="Try and save").click()
    expect(ada.page.get_by_text("Everything is granted")).to_be_visible()
    ada.page.get_by_role("link", name="Go on").click()
    ada.page.get_by_role("button", name="Go on").click()
    expect(ada.page.get_by_text("Everything has been read")).to_be_visible()
    return ada


def test_a_change_in_greenhouse_arrives_by_web_hook(demo: Demo, ada: Person, person) -> None:
    sam: Person = person("sam@acme.example")  # a Site Admin, who has the list in front of them
    name = sam.page.locator("#job-table tbody a").first.inner_text().strip()
    ada.goes_to("/set-up/web-hooks/")
    ada.keeps_picture("60-web-hooks-before")
    ada.page.get_by_role("button", name="Make address and secret").click()
    expect(ada.page.get_by_text("Your secret, shown this once")).to_be_visible()
    ada.keeps_picture("61-web-hooks-secret")
    address = ada.page.locator("#address").inner_text()
    secret = ada.page.locator("#secret").inner_text()

    # Somebody who manages Greenhouse pastes both; Greenhouse pings at once, and the page says so.
    _greenhouse(demo, "POST", "webhooks", url=address, secret=secret)
    expect(ada.page.get_by_text("1 ping from Greenhouse")).to_be_visible()
    ada.page.get_by_role("button", name="Test", exact=True).click()
    expect(ada.page.locator("#test-result")).to_contain_text("Works")

    jobs = httpx.get(
        f"{demo.greenhouse}/v1/jobs", auth=(greenhouse.ACME_V1_KEY, ""), params={"per_page": 500}
    ).json()
    job = next(one for one in jobs if one["name"] == name and one["status"] == "open")
    _greenhouse(
        demo, "POST", "mutate", action="rename_job", job_id=job["id"], name="Told by web hook"
    )
    expect(ada.page.locator("#event-job_updated")).to_contain_text("Seen")
    expect(ada.page.locator("#seen-count")).to_have_text(re.compile("^1 of"))
    ada.keeps_picture("62-web-hooks-heard")
    sam.page.reload()
    expect(sam.page.locator("#job-table")).to_contain_text("Told by web hook")


def test_the_history_tells_of_runs_that_went_well_half_and_not(demo: Demo, ada: Person) -> None:
    ada.goes_to(SYNCS)
    runs = ada.page.locator("#runs .row-item")
    expect(runs).to_have_count(1)

    def sync_now() -> None:
        ada.page.get_by_role("button", name="Sync now").click()

    # Something may no longer be read: the rest is.
    credential = {"credential": greenhouse.ACME_V3_CLIENT_ID}
    lacking = ["candidates.list", "candidates.retrieve"]
    _greenhouse(demo, "PATCH", "credentials", **credential, remove=lacking)
    sync_now()
    expect(runs.first).to_contain_text("Partial")
    runs.first.locator("summary").click()
    expect(runs.first).to_contain_text("Candidates")
    ada.keeps_picture("63-syncs-partial")

    # Greenhouse answers something that cannot be read.
    _greenhouse(demo, "PATCH", "credentials", **credential, grant=lacking)
    _greenhouse(demo, "POST", "faults", path="/v3/jobs", kind="html", times=9)
    sync_now()
    expect(runs.first).to_contain_text("Failed")
    expect(ada.page.get_by_text("The newest sync was not finished")).to_be_visible()
    ada.keeps_picture("64-syncs-failed")

    # The next one mends it: while it runs nothing is red above, and what is open stays open.
    _greenhouse(demo, "DELETE", "faults")
    _greenhouse(demo, "POST", "faults", path="/v3/", latency_ms=6000, times=3)
    runs.first.locator("summary").click()
    sync_now()
    expect(runs.first).to_contain_text("Syncing")
    expect(ada.page.get_by_text("The newest sync was not finished")).to_be_hidden()
    failed = runs.nth(1).locator("details")
    if not failed.evaluate("one => one.open"):
        failed.locator("summary").click()
    ada.keeps_picture("65-syncs-running")
    expect(runs.first).to_contain_text("Done")
    expect(failed).to_have_attribute("open", "")
    ada.keeps_picture("66-syncs-mended")
