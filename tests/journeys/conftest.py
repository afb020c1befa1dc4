"""A whole portal of the tests' own, as `make demo` starts it, and a Chromium to walk it with."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from integrations.greenhouse import sandbox as greenhouse
from tests.launched import PROJECT, Launched

PICTURES = PROJECT / "artifacts" / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

PATIENCE = 60_000  # milliseconds: real workers and real HTTP, on a machine that may be busy
expect.set_options(timeout=PATIENCE)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """They come last, however the others are shuffled: Playwright leaves an event loop behind, and
    beside one Django refuses its database. Without Chromium they say how to get it.
    """
    yield
    items.sort(key=lambda item: "browser" in item.keywords)
    reason = "needs Chromium: apt install chromium (or your system's package)"
    for item in items:
        if "browser" in item.keywords and not CHROMIUM:  # in CI a failure: tests/house/no_skips.py
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium, quiet: nothing of its own to call home about."""
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
    """A running portal, and how to begin anew with it. `greenhouse` is its sandbox."""

    def __init__(self, launched: Launched) -> None:
        self.url, self.greenhouse = launched.url, launched.greenhouse
        self._database = launched.folder / "portal.sqlite3"
        self._as_started = sqlite3.connect(":memory:")
        with contextlib.closing(sqlite3.connect(self._database)) as database:
            database.backup(self._as_started)

    def begin_anew(self) -> None:
        """Forget what was done: nobody signed in, nothing connected, Greenhouse as made."""
        httpx.post(f"{self.greenhouse}/__reset", timeout=60).raise_for_status()
        with contextlib.closing(sqlite3.connect(self._database, timeout=60)) as database:
            self._as_started.backup(database)
            # Its workers live, though nobody heard them since it was started.
            now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
            database.execute("UPDATE core_pulse SET heard_at = ?", [now])
            database.commit()

    def remote_id_of(self, application: int) -> int:
        """Greenhouse's own id of an application."""
        asked = "SELECT remote_id FROM mirror_application WHERE id = ?"
        with contextlib.closing(sqlite3.connect(self._database, timeout=60)) as database:
            found: int = database.execute(asked, (application,)).fetchone()[0]
        return found

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.greenhouse}/__stats", timeout=60).json()
        return found

    def new_credential(self, kind: str, without: list[str]) -> dict[str, str]:
        """A credential of the sandbox that lacks these permissions."""
        answer = httpx.post(
            f"{self.greenhouse}/__credentials",
            json={"kind": kind, "account": "acme", "without": without},
            timeout=60,
        )
        answer.raise_for_status()
        made: dict[str, str] = answer.json()
        return made


@pytest.fixture(scope="session")
def _one_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with pytest.MonkeyPatch.context() as patch:
        # However slow the machine is, there is time to take something back.
        patch.setenv("REJECT_HOLD_SECONDS", "15")
        patch.setenv("BULK_HOLD_SECONDS", "15")
        with Launched(tmp_path_factory.mktemp("demo")) as launched:
            said = launched.listen()
            assert launched.process.poll() is None, said
            yield Demo(launched)


@pytest.fixture
def demo(_one_demo: Demo) -> Demo:
    """The portal as somebody finds it who has just started the demo."""
    _one_demo.begin_anew()
    return _one_demo


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, demo: Demo, context: BrowserContext, email: str) -> None:
        self.demo = demo
        self.page: Page = context.new_page()
        self.page.goto(f"{demo.url}/sign-in/")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password", exact=True).fill("greenhouse-demo")
        self.page.get_by_role("button", name="Sign in").click()

    def goes_to(self, path: str) -> None:
        self.page.goto(f"{self.demo.url}{path}")

    def keeps_picture(self, name: str, *, axe: bool = True) -> None:
        """The page as it is, wide and light, narrow and dark; axe must find nothing to mend."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        for width, scheme in ((1280, "light"), (390, "dark")):
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            path = PICTURES / f"{name}-{width}-{scheme}.png"
            self.page.screenshot(path=path, full_page=True)
            if axe:
                found = Axe().run(self.page)
                assert found.violations_count == 0, f"{name} {width} {scheme}\n" + (
                    found.generate_report()
                )
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme="light")


@pytest.fixture
def person(demo: Demo, browser: Browser) -> Iterator[Any]:
    """Sign somebody in, in a browser of their own; scripts may be switched off."""
    contexts = []

    def at_a_browser(email: str, *, scripts: bool = True) -> Person:
        context = browser.new_context(java_script_enabled=scripts)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return Person(demo, context, email)

    yield at_a_browser
    for context in contexts:
        context.close()


@pytest.fixture
def ada(person) -> Person:
    """She has connected Greenhouse, and everything was read."""
    admin: Person = person("ada@acme.example")
    admin.goes_to("/set-up/credential/")
    admin.page.get_by_label("Client ID").fill(greenhouse.ACME_V3_CLIENT_ID)
    admin.page.get_by_label("Client secret", exact=True).fill(greenhouse.ACME_V3_CLIENT_SECRET)
    admin.page.get_by_role("button", name="Try and save").click()
    expect(admin.page.get_by_text("Everything is granted")).to_be_visible()
    admin.goes_to("/set-up/sync/")
    expect(admin.page.get_by_text("Everything has been read")).to_be_visible()
    return admin
