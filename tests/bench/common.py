"""What the benchmarks share: arguments, databases of their own, processes, and figures."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

ROOT = Path(__file__).resolve().parents[2]
STARTUP_SECONDS = 300.0
# What structlog and httpx load for terminals where it is installed, as in a development
# environment, but not in the image.
DEVELOPMENT_PACKAGES = ("rich", "pygments", "click", "greenlet", "attr")


def make_parser(
    description: str | None, sizes: Mapping[str, tuple[int, int]]
) -> argparse.ArgumentParser:
    """Return a parser with one option per size, each with its full and its small default."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, (full, small) in sizes.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, help=f"{full:,}, or {small:,} with --small")
    parser.add_argument(
        "--small", action="store_true", help="see in seconds that every figure is still measured"
    )
    parser.add_argument("--figures", type=Path, help="write the figures to this file as JSON")
    parser.add_argument(
        "--template", default="", help="a migrated PostgreSQL database to copy instead of migrating"
    )
    return parser


def parse_arguments(
    parser: argparse.ArgumentParser, sizes: Mapping[str, tuple[int, int]]
) -> argparse.Namespace:
    """Parse the command line; sizes that it does not set get their defaults."""
    options = parser.parse_args()
    for name, (full, small) in sizes.items():
        if getattr(options, name) is None:
            setattr(options, name, small if options.small else full)
    return options


class Figures:
    """The measurements of a run: every name in `names` once, and no other."""

    def __init__(self, names: list[str]) -> None:
        self._values: dict[str, float | None] = dict.fromkeys(names)

    def record(self, name: str, value: float) -> None:
        if name not in self._values:
            raise KeyError(f"{name} is not among the figures that this benchmark declares")
        self._values[name] = value

    def finish(self, options: argparse.Namespace, *, missed: bool) -> int:
        """Write the figures and return the exit status.

        It is 2 if a figure was not measured. Else it is 1 if a bar was missed, which counts at full
        size only.
        """
        if options.figures:
            options.figures.write_text(json.dumps(self._values, indent=2))
        if wrong := find_unmeasured(self._values):
            sys.stderr.write(f"Not measured: {', '.join(wrong)}\n")
            return 2
        return 1 if missed and not options.small else 0


def find_unmeasured(figures: Mapping[str, float | None]) -> list[str]:
    """Return the names of figures that are not finite positive numbers."""
    return [
        name
        for name, value in figures.items()
        if value is None or not math.isfinite(value) or value <= 0
    ]


@contextmanager
def own_database(
    name: str, options: argparse.Namespace, *, needs_postgres: bool = False, keep: bool = False
) -> Iterator[str]:
    """Yield the URL of a migrated database that only this benchmark uses.

    On the PostgreSQL server of DATABASE_URL it is named like that database, with the benchmark's
    name appended; it is created anew unless `keep` is set, and stays afterwards. Without
    DATABASE_URL it is an SQLite file that is deleted afterwards.
    """
    if is_postgres():
        url = create_database(name, template=options.template, keep=keep)
        if not (options.template or keep):
            migrate(url)
        yield url
    elif needs_postgres:
        raise SystemExit("Set DATABASE_URL to a PostgreSQL database, for its server.")
    else:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/bench.sqlite3"
            migrate(url)
            yield url


def is_postgres() -> bool:
    return os.environ.get("DATABASE_URL", "").startswith(("postgres:", "postgresql:"))


def create_database(name: str, *, template: str = "", keep: bool = False) -> str:
    """Create a database beside the one in DATABASE_URL, dropping an older one; return its URL."""
    url = urlsplit(os.environ["DATABASE_URL"])
    own = f"{url.path.strip('/')}_{name}"
    if not keep:
        with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{own}" WITH (FORCE)')
            copied = f' TEMPLATE "{template}"' if template else ""
            server.execute(f'CREATE DATABASE "{own}"{copied}')
        if template:  # a copy is no restored backup
            with psycopg.connect(url._replace(path=f"/{own}").geturl(), autocommit=True) as copy:
                copy.execute("DELETE FROM core_databaseidentity")
    return url._replace(path=f"/{own}").geturl()


def drop_database(name: str) -> None:
    """Drop a database that `create_database` created."""
    url = urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{url.path.strip("/")}_{name}" WITH (FORCE)')


def migrate(database: str) -> None:
    """Create the portal's tables."""
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=os.environ | portal_environment(database),
        check=True,
    )


def portal_environment(database: str, greenhouse: str = "http://127.0.0.1:9") -> dict[str, str]:
    """Return the portal's settings for a run on this database and this Greenhouse."""
    return {
        "DEBUG": "false",
        "SECRET_KEY": "bench",
        "FIELD_ENCRYPTION_KEY": "ZGV2ZWxvcG1lbnQtb25seS1rZXktbm90LWEtc2VjcmU=",
        "ALLOWED_HOSTS": "127.0.0.1,testserver",
        "INSECURE_COOKIES": "true",
        "DATABASE_URL": database,
        "REDIS_URL": os.environ.get("REDIS_URL", "none"),
        "QUEUE_NAME": f"bench-{os.getpid()}",
        "GREENHOUSE_API_URL": greenhouse,
        "GREENHOUSE_AUTH_URL": greenhouse,
        "LOG_LEVEL": "ERROR",
        "EMAIL_URL": "dummymail://",
        "DJANGO_SETTINGS_MODULE": "tests.bench.page_settings",
    }


def set_up_django(environment: Mapping[str, str]) -> None:
    """Set up Django in this process, and for the processes that it starts."""
    os.environ |= environment
    sys.modules |= dict.fromkeys(DEVELOPMENT_PACKAGES)  # type: ignore[arg-type]  # not importable
    import django

    django.setup()
    from portal.core.tenancy.scope import enter_all_organizations

    enter_all_organizations("benchmarks fill and read every organization")


@contextmanager
def run_process(
    command: list[str], *, until_answers: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends; enter it once that URL answers."""
    process = subprocess.Popen(  # noqa: S603  (the benchmarks' own commands)
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        if until_answers:
            what = f"{' '.join(command[1:])} to answer"
            wait_until(lambda: _answers(until_answers) or process.poll() is not None, what)
            if process.poll() is not None:
                raise SystemExit(f"Ended before it answered: {' '.join(command[1:])}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(url, timeout=5).status_code < 500
    except httpx.TransportError:
        return False


def wait_until(condition: Callable[[], bool], what: str, *, every: float = 0.02) -> None:
    """Poll until the condition holds; end the benchmark if it never does."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {STARTUP_SECONDS:.0f} s for {what}.")
        time.sleep(every)
