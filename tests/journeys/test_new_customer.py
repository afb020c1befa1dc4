"""A new customer's first day in a real browser, from customer success to the recruiters' lists."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from playwright.sync_api import Route, expect

from integrations.greenhouse import sandbox as greenhouse
from tests.journeys.conftest import Demo, Person, get_visible_text, skip_time_until

pytestmark = pytest.mark.browser

MISSING = [
    "user_permissions.list_job_permissions",
    "applications.reject",
    "rejection_reasons.list",
]
ADA = "Ada Adeyemi, Site Admin"
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


class V3:
    """Harvest v3: a client ID and secret, with scopes."""

    job_access = "harvest:user_job_permissions:list"
    # Pages that are the same for every kind of credential are checked with axe for this one.
    checks_shared_pages = True

    def connect(self, demo: Demo, ada: Person) -> None:
        credential = demo.create_credential("client", MISSING)
        self.credential = credential["client_id"]
        ada.paste_v3(credential["client_id"], credential["client_secret"])

    def grant(self, demo: Demo, ada: Person, person: Any) -> None:
        """A colleague without an account grants two by link, and then the last."""
        ada.open_path("/setup/fix-links/")
        ada.page.get_by_label("Email").fill("gil@acme.example")
        ada.page.get_by_role("button", name="Email link").click()
        expect(ada.page.locator("#messages").get_by_text("Link emailed to gil@")).to_be_visible()
        ada.check_page("80-fix-links", axe=self.checks_shared_pages)
        gil: Person = person("gil@acme.example", signed_in=False)
        gil.page.clock.install()
        gil.open_path(demo.read_link(gil.email, "/setup/fix/"))
        expect(get_visible_text(gil.page, self.job_access).first).to_be_visible()
        gil.check_page(f"81-fix-{type(self).__name__}")
        demo.grant_permissions(self.credential, MISSING[:2])
        gil.page.get_by_role("button", name="Test again").click()
        expect(gil.page.locator("#test-result")).to_contain_text("2 of 3 granted")
        gil.check_page("82-two-granted", axe=self.checks_shared_pages)
        demo.grant_permissions(self.credential, MISSING[2:])
        gil.page.get_by_role("button", name="Test again").click()
        done = get_visible_text(gil.page, "All permissions granted. Thank you!", exact=True)
        skip_time_until(gil.page, done, seconds=15)
        gil.check_page("83-all-granted", axe=self.checks_shared_pages)


class V1(V3):
    """Harvest v1: an API key, with checkboxes."""

    job_access = "Get: List Job Permissions"
    checks_shared_pages = False

    def connect(self, demo: Demo, ada: Person) -> None:
        self.credential = demo.create_credential("key", MISSING)["key"]
        ada.paste_v1(self.credential)


class Consent:
    """Authorized in Greenhouse; our application loses some of its scopes there right after."""

    checks_shared_pages = False

    def connect(self, demo: Demo, ada: Person) -> None:
        def lose_scopes(route: Route) -> None:
            answer = route.fetch(max_redirects=0)
            demo.remove_permissions(greenhouse.PARTNER_CLIENT_ID, MISSING)
            route.fulfill(response=answer)

        ada.page.get_by_role("button", name="Connect with Greenhouse").click()
        ada.page.route(f"{demo.sandbox_url}/authorize", lose_scopes)
        ada.authorize_as(ADA, service_account=True)
        ada.page.unroute(f"{demo.sandbox_url}/authorize")

    def grant(self, demo: Demo, ada: Person, person: Any) -> None:
        """Nobody can grant them by link: a Site Admin authorizes again."""
        demo.grant_permissions(greenhouse.PARTNER_CLIENT_ID, MISSING)
        ada.open_path("/setup/permissions/")
        ada.check_page("84-authorize-again")
        ada.page.get_by_role("button", name="Connect again").click()
        ada.authorize_as(ADA, service_account=True)


@pytest.mark.slow("walks through a whole setup")
@pytest.mark.parametrize("generation", [V3, V1, Consent])
def test_customer_goes_live_with_missing_permissions(demo: Demo, person, generation: Any) -> None:
    demo.run_function("tests.journeys.prepared_customers.remove_acme")
    way = generation()
    ada = _join_as_admin(demo, person, axe=way.checks_shared_pages)
    way.connect(demo, ada)
    expect(get_visible_text(ada.page, "3 missing", exact=True)).to_be_visible()
    ada.check_page(f"75-missing-{generation.__name__}")
    recruiters = _invite_recruiters(ada, person, axe=way.checks_shared_pages)

    with JobCountWatch(recruiters) as watch:
        way.grant(demo, ada, person)
        # Everybody's list is right in the end ...
        visible = demo.fetch_stats()["visible_open_jobs"]
        expected = {user.email: visible[user.email.partition("@")[0]] for user in recruiters}
        _wait_for_counts(watch, ada, expected)
    # ... and at every moment in between.
    for email, counts in watch.counts.items():
        assert counts == sorted(counts), (email, counts)
        assert counts[0] > 0
    assert read_job_count(_open_requisitions(ada)) == visible["ada"]
    ada.open_path("/setup/permissions/")
    expect(get_visible_text(ada.page, "All permissions granted")).to_be_visible()
    ada.open_path("/setup/live/")
    expect(get_visible_text(ada.page, "Connected", exact=True)).to_be_visible()
    ada.check_page("79-live", axe=way.checks_shared_pages)


def _join_as_admin(demo: Demo, person: Any, *, axe: bool) -> Person:
    """Customer success makes the customer; its admin joins, and is in front of the credential."""
    cas: Person = person("cas@portal.example")
    cas.open_path("/admin/accounts/organization/")
    cas.page.get_by_role("link", name="New customer").click()
    cas.check_page("70-new-customer", axe=axe)
    cas.page.get_by_label("Company name").fill("Acme")
    cas.page.get_by_label("Admin's email").fill("ada@acme.example")
    cas.page.get_by_role("button", name="Create and invite").click()
    expect(get_visible_text(cas.page, "Invitation sent to ada@acme.example")).to_be_visible()
    cas.check_page("71-invitation", axe=axe)

    ada: Person = person("ada@acme.example", signed_in=False)
    ada.open_path(demo.read_link(ada.email, "/invitation/"))
    ada.check_page("72-join", axe=axe)
    ada.accept_invitation("Ada Adeyemi")
    ada.page.wait_for_url("**/setup/**")
    ada.check_page("73-start", axe=axe)
    ada.page.get_by_role("button", name="Continue").click()
    ada.page.wait_for_url("**/setup/credential/")
    ada.check_page("74-credential", axe=axe)
    return ada


def _invite_recruiters(ada: Person, person: Any, *, axe: bool) -> list[Person]:
    """Ada continues without the missing permissions; two recruiters join and see requisitions."""
    ada.page.get_by_role("link", name="Continue").click()
    for name in ("Remy", "Vic"):
        ada.page.get_by_role("checkbox", name=re.compile(name)).check()
    ada.check_page("76-people", axe=axe)
    ada.page.get_by_role("button", name="Invite selected").click()
    expect(ada.page.locator("#messages")).to_contain_text("2 invitations sent.")
    ada.page.get_by_role("button", name="Continue").click()
    ada.page.wait_for_url(re.compile("/setup/(sync|live)/"))
    ada.open_path("/setup/sync/")
    expect(get_visible_text(ada.page, "Synced, except lists without permission")).to_be_visible()
    ada.check_page("77-synced", axe=axe)

    recruiters = []
    for name in ("remy", "vic"):
        recruiter: Person = person(f"{name}@acme.example", signed_in=False)
        recruiter.accept_invitation(name.title())
        expect(recruiter.page.locator("#job-count")).to_be_visible()
        recruiters.append(recruiter)
    recruiters[0].check_page("78-recruiter", axe=axe)
    return recruiters


def _wait_for_counts(watch: JobCountWatch, user: Person, expected: dict[str, int]) -> None:
    for _ in range(120):
        if watch.latest == expected:
            return
        user.page.wait_for_timeout(POLL_SECONDS * 1000)
    pytest.fail(f"{watch.latest} is not {expected}")


def _open_requisitions(user: Person) -> str:
    user.open_path("/requisitions/")
    return user.page.content()
