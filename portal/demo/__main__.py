"""`python -m portal.demo` starts and stops sandbox, web server and worker together. No Django."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from integrations.greenhouse.sandbox.auth import credentials as sandbox_credentials
from integrations.greenhouse.sandbox.auth import identity_provider
from portal.core.links import LIVENESS_PATH
from portal.demo.folder import (
    DEFAULT_FOLDER,
    PROJECT_ROOT,
    STATIC_FILES_READY,
    AlreadyRunning,
    DemoFolder,
)
from portal.demo.people import PASSWORD, PEOPLE
from portal.demo.processes import (
    ProcessFailed,
    ProcessSupervisor,
    StopRequested,
    check_log,
    check_url,
)

PYTHON_PATH = sys.executable
MANAGE_COMMAND = [PYTHON_PATH, "manage.py"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo until it is stopped; return the exit code."""
    options = _parse_options(arguments)
    if options.reset:
        return _reset(DemoFolder(options.folder))
    port_error = _check_ports(options.port, options.sandbox_port)
    if port_error:
        print(port_error, file=sys.stderr)
        return 2
    demo_folder = DemoFolder(options.folder)
    try:
        demo_folder.acquire_lock()
    except AlreadyRunning:
        print(f"The demo in {demo_folder.folder} is running already.", file=sys.stderr)
        return 2
    sandbox = f"http://127.0.0.1:{options.sandbox_port}"
    environment = demo_folder.build_environment(port=options.port, sandbox=sandbox)
    children = ProcessSupervisor(PROJECT_ROOT, environment, demo_folder.get_log_path)
    try:
        _start_processes(children, demo_folder, options, sandbox)
        _print_welcome(options.port, sandbox, demo_folder)
        children.watch_processes()
    except StopRequested:
        _print_line("\nEnding ...")
        children.stop_processes()
        _print_line("Ended. What you did is kept; `make demo` continues from there.")
    except ProcessFailed as failure:
        print(f"\n{failure}\nEnding the rest.", file=sys.stderr)
        return 1
    finally:
        children.stop_processes()
    return 0


def _reset(demo_folder: DemoFolder) -> int:
    try:
        demo_folder.delete()
    except AlreadyRunning:
        where = _shorten_path(demo_folder.folder)
        print(f"The demo in {where} is running. Stop it with Ctrl-C first.", file=sys.stderr)
        return 2
    print(f"Deleted {_shorten_path(demo_folder.folder)}.")
    return 0


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
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
        default=Path(os.environ.get("DEMO_FOLDER") or DEFAULT_FOLDER),
        help="where it keeps everything (DEMO_FOLDER, or var/demo)",
    )
    parser.add_argument("--reset", action="store_true", help="delete everything in that folder")
    return parser.parse_args(arguments)


def _check_ports(port: int, sandbox_port: int) -> str:
    if port == sandbox_port:
        return f"The portal and the sandbox cannot both have port {port}."
    for number, owner, option in (
        (port, "the portal", "PORT"),
        (sandbox_port, "the sandbox", "SANDBOX_PORT"),
    ):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except (OSError, OverflowError) as error:
                reason = error.strerror if isinstance(error, OSError) else "no such port"
                other_port = number + 10 if number < 65000 else 8000
                return (
                    f"Port {number} cannot be had for {owner} ({reason}).\n"
                    f"Choose another one: make demo {option}={other_port}"
                    f"   (or --{option.lower().replace('_', '-')})"
                )
    return ""


class Stopwatch:
    def __init__(self) -> None:
        self._marks = [time.monotonic()]
        self._parts: list[str] = []

    def record_lap(self, part: str) -> None:
        self._marks.append(time.monotonic())
        self._parts.append(f"{part} {self._marks[-1] - self._marks[-2]:.1f} s")

    def __str__(self) -> str:
        return f"{self._marks[-1] - self._marks[0]:.1f} s ({', '.join(self._parts)})"


def _start_processes(
    children: ProcessSupervisor, demo_folder: DemoFolder, options: argparse.Namespace, sandbox: str
) -> None:
    stopwatch = Stopwatch()
    _print_line(
        f"Starting the demo (everything it keeps and logs: {_shorten_path(demo_folder.folder)})"
    )
    jobs = demo_folder.get_job_count(options.jobs)
    if jobs != options.jobs:
        _print_line(
            f"  The sandbox keeps its {jobs} jobs. "
            f"For {options.jobs}: make reset, then make demo JOBS={options.jobs}"
        )
    greenhouse = children.start_process(
        "sandbox",
        [PYTHON_PATH, "-m", "integrations.greenhouse.sandbox"],
        port=options.sandbox_port,
        seed=7,
        jobs=jobs,
        domain="acme.example",
        state=demo_folder.sandbox_state,
    )
    prepare = children.start_process("prepare", [*MANAGE_COMMAND, "demo_prepare"])
    children.wait_for(prepare, check_log(prepare, STATIC_FILES_READY))
    stopwatch.record_lap("code and static files")
    children.wait_for_exit(prepare)
    stopwatch.record_lap("database")
    children.wait_for(greenhouse, check_url(f"{sandbox}/__stats"))
    stopwatch.record_lap("sandbox")
    web = children.start_process(
        "web",
        [PYTHON_PATH, "-m", "gunicorn"],  # other settings: gunicorn.conf.py
        bind=f"127.0.0.1:{options.port}",
    )
    worker = children.start_process("worker", [*MANAGE_COMMAND, "qcluster"])
    children.wait_for(web, check_url(f"http://127.0.0.1:{options.port}{LIVENESS_PATH}"))
    children.wait_for(worker, check_log(worker, "ready for work"))
    stopwatch.record_lap("web server and worker")
    _print_line(f"Started in {stopwatch}.")


def _print_welcome(port: int, sandbox: str, demo_folder: DemoFolder) -> None:
    _print_line(f"\nOpen  http://127.0.0.1:{port}\n")
    _print_line(f"Sign in, everybody with the password  {PASSWORD}")
    for person in PEOPLE:
        _print_line(f"  {person.email:<20} {person.role_label:<24} {person.description}")
    _print_line(f"\nPaste in Setup (they open nothing but the sandbox, {sandbox})")
    for label, key, client, secret in (
        (
            "Acme, everything granted",
            sandbox_credentials.ACME_V1_KEY,
            sandbox_credentials.ACME_V3_CLIENT_ID,
            sandbox_credentials.ACME_V3_CLIENT_SECRET,
        ),
        (
            "Acme, some permissions missing",
            sandbox_credentials.ACME_V1_KEY_LIMITED,
            sandbox_credentials.ACME_V3_LIMITED_CLIENT_ID,
            sandbox_credentials.ACME_V3_LIMITED_CLIENT_SECRET,
        ),
        (
            "Other Inc, everything granted",
            sandbox_credentials.OTHER_V1_KEY,
            sandbox_credentials.OTHER_V3_CLIENT_ID,
            sandbox_credentials.OTHER_V3_CLIENT_SECRET,
        ),
    ):
        _print_line(f"  {label}")
        _print_line(f"    v1 key            {key}")
        _print_line(f"    v3 client id      {client}")
        _print_line(f"    v3 client secret  {secret}")
    _print_line("\nFor single sign-on (Members), the sandbox has a sign-in service")
    _print_line(f"  issuer            {sandbox}{identity_provider.PATH}")
    _print_line(f"  client id         {identity_provider.CLIENT_ID}")
    _print_line(f"  client secret     {identity_provider.CLIENT_SECRET}")
    _print_line(
        f"\nLogs: {_shorten_path(demo_folder.folder)}/*.log    Stop: Ctrl-C    "
        "Start afresh: make reset\n"
    )


def _print_line(text: str) -> None:
    print(text, flush=True)


def _shorten_path(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT)) if path.is_relative_to(PROJECT_ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
