"""Command line of the sandbox: ``python -m integrations.greenhouse.sandbox``."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import Any, get_args

from integrations.greenhouse.sandbox.auth import credentials, partners
from integrations.greenhouse.sandbox.state_file import StateFileError

from .sandbox import Sandbox
from .settings import (
    ForbiddenBody,
    FromStage,
    NotSiteAdmin,
    StageId,
    TokenField,
    UnknownFields,
)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m integrations.greenhouse.sandbox",
        description="A stand-in for Greenhouse's Harvest API (v1 and v3), with made-up people.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8901)
    add("--seed", type=int, default=7)
    add("--jobs", type=int, default=20)
    add("--users", type=int, help="how many users (grows with the jobs)")
    add("--applications", type=int, help="how many applications (10 per job)")
    add("--accounts", type=int, default=0, metavar="N", help="more accounts: customer-1 to -N")
    add("--account-jobs", type=int, default=6, help="how many jobs each of them has")
    add("--account-users", type=int, default=8)
    add("--account-applications", type=int, default=40)
    add("--domain", default="acme.example", help="email domain of acme's people")
    add("--state", metavar="FILE", help="keep the world in this file from start to start")
    add("--v1-limit", type=int, default=50, help="requests per 10 s, 0 is unlimited")
    add("--v3-limit", type=int, default=75, help="requests per 30 s, 0 is unlimited")
    add("--token-limit", type=int, default=100, help="tokens per 60 s, 0 is unlimited")
    add("--latency", dest="latency_ms", type=int, default=0, metavar="MS")
    add("--from-stage", choices=get_args(FromStage), default="either")
    add("--stage-id", choices=get_args(StageId), default="entry")
    add("--unknown-fields", choices=get_args(UnknownFields), default="ignore")
    add("--forbidden-body", choices=get_args(ForbiddenBody), default="message")
    add("--not-site-admin", choices=get_args(NotSiteAdmin), default="forbidden")
    add("--token-field", choices=get_args(TokenField), default="expires_at")
    add("--token-lifetime", type=int, default=3600, metavar="SECONDS")
    add("--single-active-token", action="store_true", help="a new token ends the one before it")
    add("--scope-claim", action="store_true", help="put the scopes into the token")
    add("--code-lifetime", type=int, default=60, metavar="SECONDS")
    add("--refresh-lifetime", type=int, default=24 * 3600, metavar="SECONDS")
    add("--no-pkce", dest="pkce", action="store_false", help="ignore a code's challenge")
    add("--consent-replaces", action="store_true", help="a consent ends the one before it")
    add("--no-revocation", dest="revocation", action="store_false")
    add("--no-introspection", dest="introspection", action="store_false")
    add(
        "--no-job-interview-stage-id",
        dest="job_interview_stage_id",
        action="store_false",
        help="leave the newer fields out of v3 applications",
    )
    add("--site-admin-grants", action="store_true", help="show grant rows of Site Admins")
    add(
        "--hide-confidential",
        dest="confidential_jobs",
        action="store_false",
        help="leave confidential jobs out of v3's list unless the reader is on them",
    )
    add("--skip-count-needed", type=int, default=0, metavar="N")
    return parser


def main(arguments: list[str] | None = None) -> int:
    options: dict[str, Any] = vars(build_parser().parse_args(arguments))
    try:
        sandbox = Sandbox(**options).start_server()
    except OSError as error:
        address = f"{options['host']}:{options['port']}"
        _print_error(f"Cannot listen on {address}: {error.strerror}. Choose another with --port.")
        return 1
    except StateFileError as error:
        _print_error(str(error))
        return 1
    _print_banner(sandbox)
    stop_requested = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: stop_requested.set())
    stop_requested.wait()
    sandbox.stop_server()
    return 0


def _print_error(text: str) -> None:
    sys.stderr.write(text + "\n")


def _print_banner(sandbox: Sandbox) -> None:
    count = sandbox.count_records()
    sys.stdout.write(
        f"Greenhouse sandbox at {sandbox.url}\n"
        f"  {count['jobs']} jobs, {count['applications']} applications, {count['users']} users\n"
        "Credentials (sandbox values only):\n"
        f"  v1 key, everything      {credentials.ACME_V1_KEY}\n"
        f"  v1 key, some missing    {credentials.ACME_V1_KEY_LIMITED}\n"
        f"  v3 client, everything   {credentials.ACME_V3_CLIENT_ID}"
        f"  {credentials.ACME_V3_CLIENT_SECRET}\n"
        f"  v3 client, some missing {credentials.ACME_V3_LIMITED_CLIENT_ID}"
        f"  {credentials.ACME_V3_LIMITED_CLIENT_SECRET}\n"
        f"  other account, v1 key   {credentials.OTHER_V1_KEY}\n"
        f"  other account, v3       {credentials.OTHER_V3_CLIENT_ID}"
        f"  {credentials.OTHER_V3_CLIENT_SECRET}\n"
        f"  partner, by consent     {partners.PARTNER_CLIENT_ID}"
        f"  {partners.PARTNER_CLIENT_SECRET}\n"
        f"{_describe_numbered_accounts(sandbox.settings.accounts)}"
        "Ctrl-C stops it.\n"
    )
    sys.stdout.flush()


def _describe_numbered_accounts(count: int) -> str:
    if not count:
        return ""
    return f"  customer-1 to -{count}, all     see GET /__credentials\n"


if __name__ == "__main__":
    raise SystemExit(main())
