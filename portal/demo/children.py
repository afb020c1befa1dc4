"""Child processes that live and end together. No Django.

Each is the leader of a session of its own: a Ctrl-C in the terminal reaches the launcher alone,
which then ends them in order, and whatever a child has started itself ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MOMENT = 0.05  # seconds between two looks


class Stopped(Exception):
    """Somebody asked for the end (Ctrl-C, SIGTERM, a closed terminal)."""


class Failed(Exception):
    """A child ended or never answered; the message is for a person."""


@dataclass
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_lines(self, count: int = 12) -> str:
        with self.log.open(errors="replace") as lines:
            return "".join(f"    {line}" for line in deque(lines, maxlen=count))

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill_all_it_started(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Children:
    """Starts, watches and ends them."""

    def __init__(self, folder: Path, environment: Mapping[str, str], log: Callable[[str], Path]):
        self._folder = folder
        self._environment = environment
        self._log = log
        self._running: list[Child] = []
        self._asked_to_stop = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self._asked_to_stop += 1  # looked at between two moments: no child is lost half-started

    def start(self, name: str, command: Sequence[str], **options: object) -> Child:
        """Start `command` with `--option value` for each; its words go to its log, begun anew."""
        command = list(command)
        for option, value in options.items():
            command += [f"--{option.replace('_', '-')}", str(value)]
        path = self._log(name)
        with path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  (our own commands, no shell)
                command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, path)
        self._running.append(child)
        return child

    def wait_for_exit(self, child: Child) -> None:
        """Wait until a child has ended. Raises Failed unless it succeeded."""
        while child.process.poll() is None:
            self._moment(besides=child)
        self._running.remove(child)
        if child.process.returncode:
            raise Failed(self._obituary(child))

    def wait_for(self, child: Child, ready: Callable[[], bool], *, limit: float = 120) -> None:
        """Wait until `ready` says so. Raises Failed when a child ends before, or time does."""
        end = time.monotonic() + limit
        while not ready():
            if time.monotonic() > end:
                raise Failed(
                    f"{child.name} gave no answer in {limit:.0f} s. Its log, {child.log}:\n"
                    f"{child.last_lines()}"
                )
            self._moment()

    def watch(self) -> None:
        """Return never: raises Stopped when asked to end, Failed when a child has ended."""
        while True:
            self._moment()

    def end(self, *, patience: float = 10) -> None:
        """End all, the last started first: what others lean on stays until they have ended.

        After `patience` seconds, or when asked a second time, without further ado.
        """
        deadline = time.monotonic() + patience
        for child in reversed(self._running):
            child.signal(signal.SIGTERM)
            while child.process.poll() is None:
                if time.monotonic() > deadline or self._asked_to_stop > 1:
                    break
                time.sleep(MOMENT)
            child.kill_all_it_started()
            child.process.wait()
        self._running.clear()

    def _moment(self, *, besides: Child | None = None) -> None:
        if self._asked_to_stop:
            raise Stopped
        for child in self._running:
            if child is not besides and child.process.poll() is not None:
                raise Failed(self._obituary(child))
        time.sleep(MOMENT)

    def _obituary(self, child: Child) -> str:
        code = child.process.returncode
        how = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        return f"{child.name} {how}. The end of its log, {child.log}:\n{child.last_lines()}"


def answers(url: str) -> Callable[[], bool]:
    """Ready when this address answers 200."""

    def ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (our own address)
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return ready


def says(child: Child, words: str) -> Callable[[], bool]:
    """Ready when the child's log has these words."""
    return lambda: words in child.log.read_text(errors="replace")
