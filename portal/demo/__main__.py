"""`python -m portal.demo`: sandbox, web server and worker as one thing to start and to end.

A plain launcher without Django: it makes the demo's folder, then starts the same programs that an
operator would start, with an environment as in production.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from integrations.greenhouse.sandbox import credentials as sandbox_credentials
from portal.demo.children import Children, Failed, Stopped, answers, says
from portal.demo.home import DEFAULT, PROJECT, STATIC_FILES_READY, AlreadyRunning, Home
from portal.demo.people import PASSWORD, PEOPLE

PYTHON = sys.executable
MANAGE = [PYTHON, "manage.py"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo until somebody ends it. Returns the exit code."""
    options = _options(arguments)
    trouble = _trouble_with_ports(options.port, options.sandbox_port)
    if trouble:
        print(trouble, file=sys.stderr)
        return 2
    home = Home(options.folder)
    try:
        home.lock()
    except AlreadyRunning:
        print(f"The demo in {home.folder} is running already.", file=sys.stderr)
        return 2
    sandbox = f"http://127.0.0.1:{options.sandbox_port}"
    environment = home.environment(port=options.port, sandbox=sandbox)
    children = Children(PROJECT, environment, home.log)
    try:
        _start(children, home, options, sandbox)
        _tell(options.port, sandbox, home)
        children.watch()
    except Stopped:
        _say("\nEnding ...")
        children.end()
        _say("Ended. What you did is kept; `make demo` goes on from there.")
    except Failed as failure:
        print(f"\n{failure}\nEnding the rest.", file=sys.stderr)
        return 1
    finally:
        children.end()
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m portal.demo",
        description="The whole portal with a Greenhouse sandbox.",
    )
    parser.add_argument("--port", type=int, default=8000, help="of the portal (8000)")
    parser.add_argument("--sandbox-port", type=int, default=8901, help="of the sandbox (8901)")
    parser.add_argument("--jobs", type=int, default=20, help="in the sandbox's Greenhouse (20)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(os.environ.get("DEMO_FOLDER") or DEFAULT),
        help="where it keeps everything (DEMO_FOLDER, or var/demo)",
    )
    return parser.parse_args(arguments)


def _trouble_with_ports(port: int, sandbox_port: int) -> str:
    """What is wrong with these ports, in words; empty when both can be had."""
    if port == sandbox_port:
        return f"The portal and the sandbox cannot both have port {port}."
    for number, whose, option in (
        (port, "the portal", "PORT"),
        (sandbox_port, "the sandbox", "SANDBOX_PORT"),
    ):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except (OSError, OverflowError) as error:
                why = error.strerror if isinstance(error, OSError) else "no such port"
                another = number + 10 if number < 65000 else 8000
                return (
                    f"Port {number} cannot be had for {whose} ({why}).\n"
                    f"Choose another one: make demo {option}={another}"
                    f"   (or --{option.lower().replace('_', '-')})"
                )
    return ""


class Stopwatch:
    """Times the parts of the start, each from the end of the one before."""

    def __init__(self) -> None:
        self._marks = [time.monotonic()]
        self._parts: list[str] = []

    def lap(self, part: str) -> None:
        self._marks.append(time.monotonic())
        self._parts.append(f"{part} {self._marks[-1] - self._marks[-2]:.1f} s")

    def __str__(self) -> str:
        return f"{self._marks[-1] - self._marks[0]:.1f} s ({', '.join(self._parts)})"


def _start(children: Children, home: Home, options: argparse.Namespace, sandbox: str) -> None:
    stopwatch = Stopwatch()
    _say(f"Starting the demo (everything it keeps and logs: {_short(home.folder)})")
    jobs = home.jobs(options.jobs)
    if jobs != options.jobs:
        _say(
            f"  The sandbox keeps its {jobs} jobs. "
            f"For {options.jobs}: make reset, then make demo JOBS={options.jobs}"
        )
    greenhouse = children.start(
        "sandbox",
        [PYTHON, "-m", "integrations.greenhouse.sandbox"],
        port=options.sandbox_port,
        seed=7,
        jobs=jobs,
        domain="acme.example",
        state=home.sandbox_state,
    )
    prepare = children.start("prepare", [*MANAGE, "demo_prepare"])
    children.wait_for(prepare, says(prepare, STATIC_FILES_READY))
    stopwatch.lap("code and static files")
    children.wait_for_exit(prepare)
    stopwatch.lap("database")
    children.wait_for(greenhouse, answers(f"{sandbox}/__stats"))
    stopwatch.lap("sandbox")
    web = children.start(
        "web",
        [PYTHON, "-m", "gunicorn"],  # the rest: gunicorn.conf.py
        bind=f"127.0.0.1:{options.port}",
        access_logfile="-",
    )
    worker = children.start("worker", [*MANAGE, "qcluster"])
    children.wait_for(web, answers(f"http://127.0.0.1:{options.port}/healthz"))
    children.wait_for(worker, says(worker, "ready for work"))
    stopwatch.lap("web server and worker")
    _say(f"Started in {stopwatch}.")


def _tell(port: int, sandbox: str, home: Home) -> None:
    """The address, the people, the credentials to paste."""
    _say(f"\nOpen  http://127.0.0.1:{port}\n")
    _say(f"Sign in, everybody with the password  {PASSWORD}")
    for person in PEOPLE:
        _say(f"  {person.email:<20} {person.place:<24} {person.shows}")
    _say(f"\nPaste in Set-up (they open nothing but the sandbox, {sandbox})")
    known = sandbox_credentials
    for whose, key, client, secret in (
        (
            "Acme, everything granted",
            known.ACME_V1_KEY,
            known.ACME_V3_CLIENT_ID,
            known.ACME_V3_CLIENT_SECRET,
        ),
        (
            "Acme, some permissions missing",
            known.ACME_V1_KEY_LIMITED,
            known.ACME_V3_LIMITED_CLIENT_ID,
            known.ACME_V3_LIMITED_CLIENT_SECRET,
        ),
        (
            "Other Inc, everything granted",
            known.OTHER_V1_KEY,
            known.OTHER_V3_CLIENT_ID,
            known.OTHER_V3_CLIENT_SECRET,
        ),
    ):
        _say(f"  {whose}")
        _say(f"    v1 key            {key}")
        _say(f"    v3 client id      {client}")
        _say(f"    v3 client secret  {secret}")
    _say(f"\nLogs: {_short(home.folder)}/*.log    Stop: Ctrl-C    Start afresh: make reset\n")


def _say(words: str) -> None:
    print(words, flush=True)


def _short(path: Path) -> str:
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
