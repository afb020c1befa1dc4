"""A running demo for each test process, and Chromium to use it with."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from integrations.greenhouse import sandbox as greenhouse
from portal.demo.folder import DemoFolder
from portal.demo.people import PASSWORD
from tests.demo_process import PROJECT, DemoProcess
from tests.plugins.database_template import copy_sqlite_template
from tests.plugins.requirements import find_chromium

CHROMIUM = find_chromium()
# Set KEEP_SCREENSHOTS to keep a picture of every page that is checked.
SCREENSHOTS = PROJECT / "artifacts" / "screenshots" if os.environ.get("KEEP_SCREENSHOTS") else None

SESSION_COOKIE = "sessionid"
TIMEOUT_MS = 60_000  # milliseconds: real workers and real HTTP, on a machine that may be busy
SKIP_MS = 500  # milliseconds for an answer, before time is skipped again
RELOAD_MS = 250  # milliseconds between two looks at a page that doesn't follow by itself
# Long enough to undo something on a busy machine; `Demo.end_holds` ends it early. Shorter than the
# timeout, and than the longest extension of an undo period.
UNDO_SECONDS = "50"
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium, without background services of its own."""
    return {
        "executable_path": CHROMIUM,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    }


class Demo:
    """A running portal that can be reset; `greenhouse` is the address of its sandbox."""

    def __init__(self, launched: DemoProcess) -> None:
        self.url, self.sandbox_url = launched.url, launched.sandbox_url
        self._folder = DemoFolder(launched.folder)
        self._read_log_from = 0  # emails are in the worker's log
        self._database = launched.folder / "portal.sqlite3"
        self._end_tasks(drop_waiting=False)
        self._as_started = self._save()
        self._as_connected: sqlite3.Connection | None = None
        self._sessions: dict[str, tuple[str, ...]] = {}  # rows by email

    def reset(self) -> None:
        """Return to the start: nobody signed in, nothing connected, a fresh sandbox."""
        self._restore(self._as_started)

    def reset_to_connected(self, connect: Callable[[], object]) -> None:
        """Return to where `connect` led when it ran first, in this test process."""
        if self._as_connected is None:
            self.reset()
            connect()
            self._end_tasks(drop_waiting=False)
            self._as_connected = self._save()
        else:
            self._restore(self._as_connected)

    def keep_session(self, email: str, key: str) -> None:
        """Remember the session that somebody has signed in to, for later journeys."""
        columns = "session_key, session_data, expire_date"
        with self._open() as database:
            self._sessions[email] = database.execute(
                f"SELECT {columns} FROM django_session WHERE session_key = ?",  # noqa: S608
                (key,),
            ).fetchone()

    def restore_session(self, email: str) -> str:
        """Sign somebody in to the session of an earlier journey; return its key, if any.

        It saves what production's password hasher costs, a quarter of a second of CPU time.
        """
        if email not in self._sessions:
            return ""
        with self._open() as database:
            insert = "INSERT OR IGNORE INTO django_session VALUES (?, ?, ?)"
            database.execute(insert, self._sessions[email])
        return self._sessions[email][0]

    def end_holds(self) -> None:
        """Let the time pass in which actions that are held can be undone."""
        now = self._now()
        is_scheduled = "status = 'scheduled' AND due_at > ?"
        batches = f"SELECT batch_id FROM applications_applicationaction WHERE {is_scheduled}"  # noqa: S608
        with self._open() as database:
            database.execute(
                f"UPDATE applications_batch SET due_at = ? WHERE id IN ({batches})",  # noqa: S608
                (now, now),
            )
            database.execute(
                f"UPDATE applications_applicationaction SET due_at = ? WHERE {is_scheduled}",  # noqa: S608
                (now, now),
            )

    def end_pending(self) -> None:
        """Let the day of every pending rejection come."""
        with self._open() as database:
            database.execute(
                "UPDATE applications_applicationaction SET due_at = ? WHERE status = 'pending'",
                (self._now(),),
            )

    def list_sent_emails(self) -> list[dict[str, Any]]:
        """The rejections in the sandbox's log that Greenhouse accepted, by their email."""
        requests = httpx.get(f"{self.sandbox_url}/__requests", timeout=60).json()
        return [
            row
            for row in requests
            if row["method"] == "POST" and str(row["path"]).endswith("/reject")
        ]

    def end_sessions_in(self, seconds: float) -> None:
        """Let every session end that many seconds from now."""
        ends_at = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(tzinfo=None)
        with self._open() as database:
            database.execute("UPDATE django_session SET expire_date = ?", (ends_at.isoformat(" "),))

    def run_function(self, path: str) -> None:
        """Call a function without arguments, such as "module.function", in the portal's code."""
        module, _, name = path.rpartition(".")
        environment = self._folder.build_environment(
            port=int(self.url.rpartition(":")[2]), sandbox=self.sandbox_url
        )
        subprocess.run(  # noqa: S603  (our own code)
            [sys.executable, "manage.py", "shell", "-c", f"from {module} import {name}; {name}()"],
            cwd=PROJECT,
            env=environment,
            check=True,
            capture_output=True,
        )

    def read_link(self, email: str, path: str) -> str:
        """Wait for an email with a link that starts with `path`, and return its path."""
        log = self._folder.get_log_path("worker")
        deadline = time.monotonic() + TIMEOUT_MS / 1000
        while time.monotonic() < deadline:
            sent = log.read_bytes()[self._read_log_from :].decode(errors="replace")
            for letter in reversed(sent.split("-" * 79)):
                link = re.search(rf"{re.escape(self.url)}({re.escape(path)}\S+)", letter)
                if link and re.search(rf"^To: {re.escape(email)}$", letter, re.MULTILINE):
                    return link[1]
            time.sleep(0.1)
        pytest.fail(f"No email to {email} with a link to {path}")

    def find_remote_id(self, application: int) -> int:
        """Return Greenhouse's own id of an application."""
        query = "SELECT remote_id FROM sync_application WHERE id = ?"
        with self._open() as database:
            remote_id: int = database.execute(query, (application,)).fetchone()[0]
        return remote_id

    def find_sharing_application(self) -> int:
        """An active application whose candidate shares an email address with just one other, on
        another requisition that Site Admins see.
        """
        shown = (
            "SELECT a.id, a.job_id, d.value AS digest FROM sync_application a"
            " JOIN sync_candidate c ON c.id = a.candidate_id"
            " JOIN sync_job j ON j.id = a.job_id, json_each(c.contact_digests) d"
            " WHERE a.status = 'active' AND NOT a.prospect AND NOT c.private"
            " AND j.status = 'open' AND NOT j.confidential AND d.value LIKE 'email:%'"
        )
        query = (
            f"WITH shown AS ({shown}) SELECT MIN(id) FROM shown GROUP BY digest"  # noqa: S608
            " HAVING COUNT(*) = 2 AND COUNT(DISTINCT job_id) = 2 ORDER BY 1 LIMIT 1"
        )
        with self._open() as database:
            application: int = database.execute(query).fetchone()[0]
        return application

    def fetch_stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = httpx.get(f"{self.sandbox_url}/__stats", timeout=60).json()
        return stats

    def count_requests(self) -> int:
        """Return how many requests the sandbox has received."""
        return len(httpx.get(f"{self.sandbox_url}/__requests", timeout=60).json())

    def count_refused_requests(self) -> int:
        """Return how many the sandbox has refused; scheduled syncs send others."""
        requests = httpx.get(f"{self.sandbox_url}/__requests", timeout=60).json()
        return sum(request["status"] >= 400 for request in requests)

    def create_credential(self, kind: str, without: list[str]) -> dict[str, str]:
        """Make a credential in the sandbox that lacks these permissions."""
        answer = httpx.post(
            f"{self.sandbox_url}/__credentials",
            json={"kind": kind, "account": "acme", "without": without},
            timeout=60,
        )
        answer.raise_for_status()
        credential: dict[str, str] = answer.json()
        return credential

    def grant_permissions(self, credential: str, permissions: list[str]) -> None:
        """Grant these permissions to a credential in the sandbox."""
        body = {"credential": credential, "grant": permissions}
        httpx.patch(f"{self.sandbox_url}/__credentials", json=body, timeout=60).raise_for_status()

    def remove_permissions(self, credential: str, permissions: list[str]) -> None:
        """Take these permissions from a credential in the sandbox."""
        body = {"credential": credential, "remove": permissions}
        httpx.patch(f"{self.sandbox_url}/__credentials", json=body, timeout=60).raise_for_status()

    def add_fault(self, **fault: object) -> None:
        """Have the sandbox fail in this way."""
        httpx.post(f"{self.sandbox_url}/__faults", json=fault, timeout=60).raise_for_status()

    def clear_faults(self) -> None:
        httpx.delete(f"{self.sandbox_url}/__faults", timeout=60).raise_for_status()

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._database, timeout=60)) as database:
            yield database
            database.commit()

    def _save(self) -> sqlite3.Connection:
        copy = sqlite3.connect(":memory:")
        with self._open() as database:
            database.backup(copy)
        return copy

    def _restore(self, copy: sqlite3.Connection) -> None:
        self.clear_faults()  # such as slow responses
        self._end_tasks(drop_waiting=True)  # they would write into the next journey
        httpx.post(f"{self.sandbox_url}/__reset", timeout=60).raise_for_status()
        with self._open() as database:
            copy.backup(database)
            # The workers are alive, but their last heartbeat in the copy is old.
            database.execute("UPDATE core_workerheartbeat SET heartbeat_at = ?", (self._now(),))
        self._read_log_from = self._folder.get_log_path("worker").stat().st_size

    def _end_tasks(self, *, drop_waiting: bool) -> None:
        """Wait until no task runs or is due; those that wait can be dropped instead."""
        deadline = time.monotonic() + TIMEOUT_MS / 1000
        while time.monotonic() < deadline:
            with self._open() as database:
                if drop_waiting:
                    database.execute("DELETE FROM core_queuedtask WHERE leased_until IS NULL")
                query = "SELECT 1 FROM core_queuedtask WHERE leased_until > '' OR due_at <= ?"
                if database.execute(query, (self._now(),)).fetchone() is None:
                    return
            time.sleep(0.05)

    @staticmethod
    def _now() -> str:
        return datetime.now(UTC).replace(tzinfo=None).isoformat(" ")


@pytest.fixture(scope="session")
def _running_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REJECT_UNDO_SECONDS", UNDO_SECONDS)
        patch.setenv("BATCH_UNDO_SECONDS", UNDO_SECONDS)
        folder = tmp_path_factory.mktemp("demo")
        copy_sqlite_template(folder / "portal.sqlite3")
        with DemoProcess(folder) as launched:
            output = launched.read_startup_output()
            assert launched.process.poll() is None, output
            yield Demo(launched)
            launched.interrupt_until_ended()


@pytest.fixture
def demo(_running_demo: Demo, request: pytest.FixtureRequest) -> Demo:
    """The portal as it is right after the demo was started, unless it is to be connected."""
    if "connected_demo" not in request.fixturenames:
        _running_demo.reset()
    return _running_demo


# Without it axe would measure colors in the middle of a change.
DISABLE_TRANSITIONS = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("*, *::before, *::after { transition: none !important; }");
    document.adoptedStyleSheets = [sheet];
}"""
ENABLE_TRANSITIONS = "() => { document.adoptedStyleSheets = []; }"


END_ANIMATIONS = """() => document.getAnimations()
    .filter((animation) => animation.effect.getComputedTiming().endTime !== Infinity)
    .forEach((animation) => animation.finish())"""


def wait_for_document(page: Page) -> None:
    """Wait until the page is loaded: an empty document also satisfies `to_have_count(0)`."""
    page.wait_for_load_state()
    expect(page.get_by_role("main")).to_be_visible()


def get_visible_text(page: Page, text: str, *, exact: bool = False) -> Locator:
    """Return the text on the page, without its repetition in the live region."""
    return page.get_by_text(text, exact=exact).and_(page.locator(":not(#live)"))


def find_rows(page: Page, name: str = "Advance") -> list[Locator]:
    """Wait for rows with this button enabled; each is located by its id, which survives a swap."""
    button = page.get_by_role("button", name=re.compile(f"^{name}"), disabled=False)
    rows = page.locator("tr[id^=application-]").filter(has=button)
    expect(rows.first).to_be_visible()
    page.wait_for_load_state()
    return [page.locator(f"tr#{row.get_attribute('id')}") for row in rows.all()]


def skip_time_until(page: Page, shown: Locator, *, seconds: float) -> None:
    """Let the page ask again at once, which it does after some seconds, until it shows this. Its
    clock must have been installed before it was opened.
    """
    for _ in range(TIMEOUT_MS // SKIP_MS):
        if shown.is_visible():
            return
        page.clock.fast_forward(1000 * seconds)
        page.wait_for_timeout(SKIP_MS)
    expect(shown).to_be_visible(timeout=1)


def reload_until(page: Page, is_reached: Callable[[], bool]) -> None:
    """Reload the page until this is so, or too long has passed; what the page shows is loaded."""
    for _ in range(TIMEOUT_MS // RELOAD_MS):
        if is_reached():
            return
        page.wait_for_timeout(RELOAD_MS)
        page.reload()


def check_accessibility(page: Page, label: str = "") -> None:
    """Run axe on the page once nothing fades in; it must find no violation."""
    wait_for_document(page)
    page.evaluate(END_ANIMATIONS)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], "preload": False}
    run = "options => axe.run(options).then(results => results.violations)"
    results = AxeResults({"violations": page.evaluate(run, options)})
    assert results.violations_count == 0, f"{label}\n{results.generate_report()}"


def keep_screenshot(page: Page, name: str) -> None:
    """Keep a picture of the page where KEEP_SCREENSHOTS asks for it."""
    if SCREENSHOTS:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


class Person:
    """Somebody with a browser context of their own."""

    def __init__(self, demo: Demo, context: BrowserContext, email: str) -> None:
        self.demo = demo
        self.email = email
        self.page: Page = context.new_page()

    def sign_in(self) -> None:
        """Sign in without rendering the form, and open the first page."""
        if key := self.demo.restore_session(self.email):
            cookie = {"name": SESSION_COOKIE, "value": key, "url": self.demo.url}
            self.page.context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Lax"}])  # type: ignore[typeddict-item]
            self.open_path("/")
            if "/sign-in/" not in self.page.url:  # the account or its password is another one
                return
        self.page.goto(self._post_sign_in())
        cookies = {cookie["name"]: cookie["value"] for cookie in self.page.context.cookies()}
        self.demo.keep_session(self.email, cookies[SESSION_COOKIE])

    def _post_sign_in(self) -> str:
        url = f"{self.demo.url}/sign-in/"
        request = self.page.context.request
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', request.get(url).text())
        assert token
        form = {"login": self.email, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        answer = request.post(url, form=form)
        assert answer.ok, answer.text()
        return answer.url

    def sign_in_by_form(self) -> None:
        self.open_path("/sign-in/")
        self.page.get_by_label("Email").fill(self.email)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()

    def open_path(self, path: str) -> None:
        self.page.goto(f"{self.demo.url}{path}")

    def accept_invitation(self, name: str) -> None:
        """Open the invitation that was emailed, and join with a new account."""
        self.open_path(self.demo.read_link(self.email, "/invitation/"))
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_label("Choose a password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Join").click()

    def paste_v3(self, client_id: str, client_secret: str) -> None:
        """Paste a v3 credential in setup and have it tested."""
        self.open_path("/setup/credential/")
        self.page.get_by_label("Client ID").fill(client_id)
        self.page.get_by_label("Client secret", exact=True).fill(client_secret)
        self.page.get_by_role("button", name="Test and save").click()

    def paste_v1(self, key: str) -> None:
        """Paste a v1 key in setup and have it tested."""
        self.open_path("/setup/credential/?kind=harvest_key")
        self.page.get_by_label("Harvest API key", exact=True).fill(key)
        self.page.get_by_role("button", name="Test and save").click()

    def authorize_as(self, who: str, *, service_account: bool = False) -> None:
        """Consent on Greenhouse's page, where the browser is now."""
        expect(self.page.get_by_role("heading", name="wants to access Greenhouse")).to_be_visible()
        self.page.get_by_label("You are").select_option(label=who)
        if service_account:
            self.page.get_by_label("Authorize using a service account").check()
        self.page.get_by_role("button", name="Authorize").click()

    def await_permissions(self) -> None:
        """Wait until all are granted, and return to the page, which moves on by itself then."""
        granted = get_visible_text(self.page, "All permissions granted")
        people = self.page.get_by_role("heading", name="People", exact=True)
        expect(granted.or_(people).first).to_be_visible()
        self.open_path("/setup/permissions/")
        expect(granted.first).to_be_visible()

    def connect_v3(self) -> None:
        """Connect with the credential that may do everything, and wait for the first sync."""
        self.paste_v3(greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
        self.await_permissions()
        self.open_path("/setup/sync/")
        expect(get_visible_text(self.page, "Everything is synced").first).to_be_visible()

    def check_page(self, name: str, *, axe: bool = True) -> None:
        """Check the page with axe, wide and light, then narrow and dark."""
        if not axe and not SCREENSHOTS:
            return
        wait_for_document(self.page)
        self.page.evaluate(DISABLE_TRANSITIONS)
        for width, scheme in ((1280, "light"), (390, "dark")):
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            keep_screenshot(self.page, f"{name}-{width}-{scheme}")
            if axe:
                check_accessibility(self.page, f"{name} {width} {scheme}")
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme="light")
        self.page.evaluate(ENABLE_TRANSITIONS)

    def tab_to(self, selector: str) -> None:
        """Press Tab until an element that matches has the focus."""
        for _ in range(120):
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
        pytest.fail(f"Tab never reached {selector}")


@pytest.fixture
def person(demo: Demo, browser: Browser) -> Iterator[Any]:
    """Sign somebody in: `person(email, scripts=True, by_form=False, signed_in=True)`."""
    contexts = []

    def sign_in(
        email: str, *, scripts: bool = True, by_form: bool = False, signed_in: bool = True
    ) -> Person:
        context = browser.new_context(java_script_enabled=scripts)
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        user = Person(demo, context, email)
        if by_form:
            user.sign_in_by_form()
        elif signed_in:
            user.sign_in()
        return user

    yield sign_in
    for context in contexts:
        context.close()


@pytest.fixture
def connected_demo(demo: Demo, person) -> Demo:
    """The portal with Acme connected and synced, by Ada in the browser the first time."""
    demo.reset_to_connected(lambda: person("ada@acme.example").connect_v3())
    return demo


@pytest.fixture
def ada(connected_demo: Demo, person) -> Person:
    """Acme's admin, with Greenhouse connected and synced."""
    return person("ada@acme.example")  # type: ignore[no-any-return]
