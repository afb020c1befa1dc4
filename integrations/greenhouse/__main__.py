"""Command line for the Greenhouse client: `python -m integrations.greenhouse check|jobs|facts`."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import AtsError, AtsUnavailable, BadCredential, RateLimited
from integrations.ats.permissions import ProbeOutcome, ProbeResult
from integrations.ats.types import Job
from integrations.greenhouse.client.harvest_v1 import HarvestV1
from integrations.greenhouse.client.harvest_v3 import HarvestV3
from integrations.greenhouse.fact_reader import Verdict
from integrations.greenhouse.facts import list_facts
from integrations.greenhouse.permission_catalogue import CATALOGUE
from integrations.greenhouse.provider import Provider

_EPILOG = """\
Credentials are read from the environment, or asked for in a terminal: GREENHOUSE_API_KEY
(Harvest v1), or GREENHOUSE_CLIENT_ID and GREENHOUSE_CLIENT_SECRET (v3) and, where its
service user isn't a Site Admin, GREENHOUSE_READER_ID.
GREENHOUSE_API_URL and GREENHOUSE_AUTH_URL point elsewhere than to Greenhouse.

`facts` only reads: it tells which assumptions about Greenhouse hold in this account,
without showing its data.

Exit codes: 0 all well · 1 something is missing, contradicted or (check) could not be told ·
2 no or a contradictory credential in the environment · 3 the credential is not accepted ·
4 Greenhouse did not answer.
"""

API_URL = "https://harvest.greenhouse.io"
AUTH_URL = "https://auth.greenhouse.io"

EXIT_OK, EXIT_INCOMPLETE, EXIT_NO_CREDENTIAL, EXIT_REJECTED, EXIT_UNAVAILABLE = range(5)
_OUTCOME_MARKS = {
    ProbeOutcome.GRANTED: "yes",
    ProbeOutcome.MISSING: "NO",
    ProbeOutcome.UNCLEAR: "?",
}


class CredentialNotConfigured(Exception):
    """The environment holds no credential, or both kinds."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m integrations.greenhouse",
        description="Ask Greenhouse with the credential in the environment.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=tuple(_COMMANDS), help="what to ask")
    command = parser.parse_args(arguments).command
    try:
        provider = build_provider(os.environ | prompt_credential(os.environ))
        provider.verify_credential()
        return _COMMANDS[command](provider)
    except CredentialNotConfigured as error:
        _print_error(str(error))
        return EXIT_NO_CREDENTIAL
    except AtsError as error:
        _print_error(error.sentence)
        if error.evidence is not None:
            evidence = error.evidence
            _print_error(
                f"  {evidence.method} {evidence.path} → {evidence.status or 'no answer'} "
                f"{evidence.message}"
            )
        if isinstance(error, BadCredential):
            return EXIT_REJECTED
        return (
            EXIT_UNAVAILABLE if isinstance(error, AtsUnavailable | RateLimited) else EXIT_INCOMPLETE
        )
    except KeyboardInterrupt:
        _print_error("Stopped.")
        return 130


def build_provider(environment: Mapping[str, str]) -> HarvestV1 | HarvestV3:
    """Build the provider from environment variables. Raises CredentialNotConfigured."""
    api_key = environment.get("GREENHOUSE_API_KEY", "").strip()
    client_id = environment.get("GREENHOUSE_CLIENT_ID", "").strip()
    client_secret = environment.get("GREENHOUSE_CLIENT_SECRET", "").strip()
    context = ClientContext(
        api_url=environment.get("GREENHOUSE_API_URL") or API_URL,
        auth_url=environment.get("GREENHOUSE_AUTH_URL") or AUTH_URL,
    )
    if api_key and (client_id or client_secret):
        raise CredentialNotConfigured("Both an API key and a client are set. Unset one of them.")
    if api_key:
        return HarvestV1({"api_key": api_key}, context)
    if client_id and client_secret:
        secrets = {
            "client_id": client_id,
            "client_secret": client_secret,
            "reader_id": environment.get("GREENHOUSE_READER_ID", ""),
        }
        return HarvestV3(secrets, context)
    raise CredentialNotConfigured(
        "Set GREENHOUSE_CLIENT_ID and GREENHOUSE_CLIENT_SECRET (Harvest v3), "
        "or GREENHOUSE_API_KEY (Harvest v1)."
    )


def prompt_credential(environment: Mapping[str, str]) -> dict[str, str]:
    """Ask for the credential in a terminal if the environment holds none."""
    names = ("GREENHOUSE_API_KEY", "GREENHOUSE_CLIENT_ID", "GREENHOUSE_CLIENT_SECRET")
    if any(environment.get(name) for name in names) or not sys.stdin.isatty():
        return {}
    client_id = input("Client ID (leave empty to use a Harvest v1 API key): ").strip()
    if not client_id:
        return {"GREENHOUSE_API_KEY": getpass.getpass("API key: ")}
    secret = getpass.getpass("Client secret: ")
    return {"GREENHOUSE_CLIENT_ID": client_id, "GREENHOUSE_CLIENT_SECRET": secret}


def print_facts(provider: HarvestV1 | HarvestV3) -> int:
    """Print a verdict for each assumption about Greenhouse that reading can settle."""
    counts = dict.fromkeys(Verdict, 0)
    for fact in list_facts(provider):
        counts[fact.verdict] += 1
        _print_line(f"{fact.verdict:<14}  {fact.name} ({fact.evidence})")
    _print_line(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".")
    return EXIT_INCOMPLETE if counts[Verdict.CONTRADICTED] else EXIT_OK


def check_permissions(provider: Provider) -> int:
    """Probe and print every permission, with the features that are disabled without it."""
    permissions = CATALOGUE.list_permissions(provider.kind)
    started = time.monotonic()
    results: dict[str, ProbeResult] = {}
    for probe in provider.probe_permissions([permission.key for permission in permissions]):
        results[probe.permission] = probe
        _show_progress(f"checked {len(results)} of {len(permissions)}")
    _show_progress("")
    last_sentence = ""
    for permission in permissions:
        probe = results[permission.key]
        label = CATALOGUE.get_permission_label(permission, provider.kind)
        _print_line(f"{_OUTCOME_MARKS[probe.outcome]:>3}  {permission.group} › {label}")
        if probe.outcome is not ProbeOutcome.GRANTED and probe.sentence not in ("", last_sentence):
            last_sentence = probe.sentence
            _print_line(f"       {last_sentence}")
    return _print_summary(results, provider.kind, time.monotonic() - started)


def _print_summary(results: Mapping[str, ProbeResult], kind: str, seconds: float) -> int:
    counts = {o: sum(1 for probe in results.values() if probe.outcome is o) for o in ProbeOutcome}
    _print_line(
        f"{counts[ProbeOutcome.GRANTED]} granted, {counts[ProbeOutcome.MISSING]} missing, "
        f"{counts[ProbeOutcome.UNCLEAR]} unclear, in {seconds:.1f} s."
    )
    missing = {key for key, probe in results.items() if probe.outcome is ProbeOutcome.MISSING}
    for feature in CATALOGUE.get_disabled_features(missing, kind):
        _print_line(f"Without it: {feature.without_it}")
    if missing:
        _print_line(f"Select it at {CATALOGUE.screen_paths[kind]}.")
    return EXIT_OK if counts[ProbeOutcome.GRANTED] == len(results) else EXIT_INCOMPLETE


def print_jobs(provider: Provider) -> int:
    """Print the requisitions without templates as tab-separated id, status and name."""
    shown = unreadable = 0
    for page in provider.list_jobs():
        for job in page.records:
            if job.is_requisition:
                shown += 1
                _print_line(_format_job(job))
        unreadable += len(page.set_aside)
        _show_progress(f"{shown} jobs")
    _show_progress("")
    _print_error(
        f"{shown} jobs" + (f", {unreadable} could not be read" if unreadable else "") + "."
    )
    return EXIT_INCOMPLETE if unreadable else EXIT_OK


def _format_job(job: Job) -> str:
    marks = " (confidential)" if job.confidential else ""
    return f"{job.id}\t{job.status}\t{' '.join(job.name.split())}{marks}"


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _print_error(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


_COMMANDS: dict[str, Callable[[HarvestV1 | HarvestV3], int]] = {
    "check": check_permissions,
    "jobs": print_jobs,
    "facts": print_facts,
}

if __name__ == "__main__":
    sys.exit(main())
