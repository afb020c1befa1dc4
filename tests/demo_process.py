"""A demo that a test starts, as a person would, in a folder and at ports of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def find_free_port() -> int:
    """A port to be bound soon.

    Below those that systems hand out by themselves: else a neighbour's connection could have
    taken it by then. Each test process begins to look elsewhere.
    """
    chance = random.Random(os.urandom(8))
    while True:
        with socket.socket() as probe:
            port = chance.randrange(15_000, 30_000)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class DemoProcess:
    """`python -m portal.demo` while the block lasts; `greenhouse` is where its sandbox is."""

    def __init__(self, folder: Path, *, port: int = 0, sandbox_port: int = 0) -> None:
        self.folder = folder
        port, sandbox_port = port or find_free_port(), sandbox_port or find_free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        self.process = subprocess.Popen(  # noqa: S603  (our own launcher)
            [
                *(sys.executable, "-m", "portal.demo", "--folder", str(folder)),
                *("--port", str(port), "--sandbox-port", str(sandbox_port)),
            ],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> DemoProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_process()

    def read_startup_output(self) -> str:
        """What it says until it has told everything, or has ended early."""
        lines = []
        for line in self.process.stdout or ():
            lines.append(line)
            if "Stop: Ctrl-C" in line:
                break
        return "".join(lines)

    def interrupt_until_ended(self) -> None:
        """Press Ctrl-C again and again: from the second time on, nothing ends gracefully."""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            time.sleep(0.1)

    def stop_process(self) -> str:
        """Press Ctrl-C, unless it has ended; gives back what it still said. Waits for the end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        output = self.process.stdout.read() if self.process.stdout else ""
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
            self.process.stdout = None
        return output
