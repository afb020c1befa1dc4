"""A whole portal of the tests' own, as `make demo` starts it, and a Chromium to walk it with."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

PROJECT = Path(__file__).resolve().parents[2]
PICTURES = PROJECT / "artifacts" / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Chromium these are skipped with the way to get it; in CI that is a failure."""
    if CHROMIUM or os.environ.get("CI"):
        return
    reason = "needs Chromium: apt install chromium (or your system's package)"
    for item in items:
        if "browser" in item.keywords:
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


@dataclass
class Demo:
    """A running portal. `greenhouse` is its sandbox."""

    url: str
    greenhouse: str

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.greenhouse}/__stats").json()
        return found

    def new_credential(self, kind: str, without: list[str]) -> dict[str, str]:
        """A credential of the sandbox that lacks these permissions."""
        answer = httpx.post(
            f"{self.greenhouse}/__credentials",
            json={"kind": kind, "account": "acme", "without": without},
        )
        answer.raise_for_status()
        made: dict[str, str] = answer.json()
        return made


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    port, sandbox_port = _free_port(), _free_port()
    log = tmp_path / "demo.log"
    command = [
        *(sys.executable, "-m", "portal.demo"),
        *("--port", str(port), "--sandbox-port", str(sandbox_port)),
        *("--folder", str(tmp_path / "demo")),
    ]
    with log.open("w") as said:
        running = subprocess.Popen(  # noqa: S603  (our own launcher)
            command, cwd=PROJECT, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            found = Demo(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sandbox_port}")
            _wait_for(f"{found.url}/healthz", running, log)
            yield found
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(timeout=30)


def _wait_for(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if running.poll() is not None:
            pytest.fail(f"The demo ended early:\n{log.read_text()}")
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"The demo did not answer in a minute:\n{log.read_text()}")


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
        """The page as it is, wide and narrow, light and dark; axe must find nothing to mend."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            path = PICTURES / f"{name}-{width}-{scheme}.png"
            self.page.screenshot(path=path, full_page=True)
            if axe and (width, scheme) in {(1280, "light"), (390, "dark")}:
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
        contexts.append(context)
        return Person(demo, context, email)

    yield at_a_browser
    for context in contexts:
        context.close()
