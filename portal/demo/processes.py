"""Child processes that start and stop together. No Django."""

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

POLL_INTERVAL = 0.05  # seconds


class StopRequested(Exception):
    """Ctrl-C, SIGTERM or a closed terminal."""


class ProcessFailed(Exception):
    """A child exited or did not become ready; the message is user-readable."""


@dataclass
class ChildProcess:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_lines(self, count: int = 12) -> str:
        with self.log.open(errors="replace") as lines:
            return "".join(f"    {line}" for line in deque(lines, maxlen=count))

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill_process_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


class ProcessSupervisor:
    def __init__(self, folder: Path, environment: Mapping[str, str], log: Callable[[str], Path]):
        self._folder = folder
        self._environment = environment
        self._log = log
        self._running: list[ChildProcess] = []
        self._stop_request_count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self._stop_request_count += 1  # polled, so that no child is lost half-started

    def start_process(self, name: str, command: Sequence[str], **options: object) -> ChildProcess:
        """Start `command` with `--option value` for each option; output replaces its log file."""
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
                # Ctrl-C reaches the launcher alone; killing the group ends grandchildren as well.
                start_new_session=True,
            )
        child = ChildProcess(name, process, path)
        self._running.append(child)
        return child

    def wait_for_exit(self, child: ChildProcess) -> None:
        """Raises ProcessFailed on a non-zero exit code."""
        while child.process.poll() is None:
            self._poll_processes(ignored=child)
        self._running.remove(child)
        if child.process.returncode:
            raise ProcessFailed(self._describe_exit(child))

    def wait_for(
        self, child: ChildProcess, ready: Callable[[], bool], *, limit: float = 120
    ) -> None:
        """Wait at most `limit` seconds; raises ProcessFailed on timeout or if a child exits."""
        end = time.monotonic() + limit
        while not ready():
            if time.monotonic() > end:
                raise ProcessFailed(
                    f"{child.name} gave no answer in {limit:.0f} s. Its log, {child.log}:\n"
                    f"{child.last_lines()}"
                )
            self._poll_processes()

    def watch_processes(self) -> None:
        """Never returns: raises StopRequested, or ProcessFailed when a child exits."""
        while True:
            self._poll_processes()

    def stop_processes(self, *, patience: float = 10) -> None:
        """Stop in reverse start order; kill after `patience` seconds or a second stop request."""
        deadline = time.monotonic() + patience
        for child in reversed(self._running):
            child.send_signal(signal.SIGTERM)
            while child.process.poll() is None:
                if time.monotonic() > deadline or self._stop_request_count > 1:
                    break
                time.sleep(POLL_INTERVAL)
            child.kill_process_group()
            child.process.wait()
        self._running.clear()

    def _poll_processes(self, *, ignored: ChildProcess | None = None) -> None:
        if self._stop_request_count:
            raise StopRequested
        for child in self._running:
            if child is not ignored and child.process.poll() is not None:
                raise ProcessFailed(self._describe_exit(child))
        time.sleep(POLL_INTERVAL)

    def _describe_exit(self, child: ChildProcess) -> str:
        code = child.process.returncode
        outcome = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        return f"{child.name} {outcome}. The end of its log, {child.log}:\n{child.last_lines()}"


def check_url(url: str) -> Callable[[], bool]:
    """Return a check for whether the URL answers 200."""

    def ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (our own address)
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return ready


def check_log(child: ChildProcess, text: str) -> Callable[[], bool]:
    return lambda: text in child.log.read_text(errors="replace")
