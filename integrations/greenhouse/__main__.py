"""The client from a shell: `python -m integrations.greenhouse check`, or `… jobs`.

Credentials stand in the environment: GREENHOUSE_API_KEY (Harvest v1), or GREENHOUSE_CLIENT_ID and
GREENHOUSE_CLIENT_SECRET (v3) and, where its service user is no Site Admin, GREENHOUSE_READER_ID.
GREENHOUSE_API_URL and GREENHOUSE_AUTH_URL point elsewhere than to Greenhouse.

Exit codes: 0 all well · 1 something is missing or could not be told · 2 no or a contradictory
credential in the environment · 3 the credential is not accepted · 4 Greenhouse did not answer.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence

from integrations.ats.errors import AtsDown, AtsError, BadCredential, RateLimited
from integrations.ats.permissions import Outcome, Probe
from integrations.ats.port import Provider
from integrations.ats.types import Job
from integrations.ats.wiring import Wiring
from integrations.greenhouse.catalogue import CATALOGUE
from integrations.greenhouse.provider import HarvestV1, HarvestV3

API_URL = "https://harvest.greenhouse.io"
AUTH_URL = "https://auth.greenhouse.io"

ALL_WELL, LACKING, NO_CREDENTIAL, NOT_ACCEPTED, NO_ANSWER = range(5)
_SIGNS = {Outcome.GRANTED: "yes", Outcome.MISSING: "NO", Outcome.UNCLEAR: "?"}


class Unset(Exception):
    """The environment names no credential, or two."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m integrations.greenhouse",
        description="Ask Greenhouse with the credential in the environment.",
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("check", "jobs"), help="what to ask")
    command = parser.parse_args(arguments).command
    try:
        provider = provider_from(os.environ)
        provider.try_credential()
        return check(provider) if command == "check" else jobs(provider)
    except Unset as problem:
        _tell(str(problem))
        return NO_CREDENTIAL
    except AtsError as error:
        _tell(error.sentence)
        if error.evidence is not None:
            seen = error.evidence
            _tell(f"  {seen.method} {seen.path} → {seen.status or 'no answer'} {seen.message}")
        if isinstance(error, BadCredential):
            return NOT_ACCEPTED
        return NO_ANSWER if isinstance(error, AtsDown | RateLimited) else LACKING
    except KeyboardInterrupt:
        _tell("Stopped.")
        return 130


def provider_from(environment: Mapping[str, str]) -> HarvestV1 | HarvestV3:
    """The provider that the environment describes. Raises Unset."""
    key = environment.get("GREENHOUSE_API_KEY", "").strip()
    client = environment.get("GREENHOUSE_CLIENT_ID", "").strip()
    secret = environment.get("GREENHOUSE_CLIENT_SECRET", "").strip()
    wiring = Wiring(
        api_url=environment.get("GREENHOUSE_API_URL") or API_URL,
        auth_url=environment.get("GREENHOUSE_AUTH_URL") or AUTH_URL,
    )
    if key and (client or secret):
        raise Unset("Both an API key and a client are set: please unset one of them.")
    if key:
        return HarvestV1({"api_key": key}, wiring)
    if client and secret:
        reader = environment.get("GREENHOUSE_READER_ID", "")
        secrets = {"client_id": client, "client_secret": secret, "reader_id": reader}
        return HarvestV3(secrets, wiring)
    raise Unset(
        "Please set GREENHOUSE_CLIENT_ID and GREENHOUSE_CLIENT_SECRET (Harvest v3), "
        "or GREENHOUSE_API_KEY (Harvest v1)."
    )


def check(provider: Provider) -> int:
    """Probe every permission, show each as it becomes known, and what is off without it."""
    asked = CATALOGUE.for_kind(provider.kind)
    started = time.monotonic()
    found: dict[str, Probe] = {}
    for probe in provider.probe_all([permission.key for permission in asked]):
        found[probe.permission] = probe
        _progress(f"checked {len(found)} of {len(asked)}")
    _progress("")
    said = ""
    for permission in asked:
        probe = found[permission.key]
        words = CATALOGUE.words_for(permission, provider.kind)
        _say(f"{_SIGNS[probe.outcome]:>3}  {permission.group} › {words}")
        if probe.outcome is not Outcome.GRANTED and probe.sentence not in ("", said):
            said = probe.sentence
            _say(f"       {said}")
    return _sum_up(found, provider.kind, time.monotonic() - started)


def _sum_up(found: Mapping[str, Probe], kind: str, seconds: float) -> int:
    counts = {o: sum(1 for probe in found.values() if probe.outcome is o) for o in Outcome}
    _say(
        f"{counts[Outcome.GRANTED]} granted, {counts[Outcome.MISSING]} missing, "
        f"{counts[Outcome.UNCLEAR]} unclear, in {seconds:.1f} s."
    )
    missing = {key for key, probe in found.items() if probe.outcome is Outcome.MISSING}
    for feature in CATALOGUE.features_off(missing, kind):
        _say(f"Without it: {feature.off}")
    if missing:
        _say(f"Tick it at {CATALOGUE.places[kind]}.")
    return ALL_WELL if counts[Outcome.GRANTED] == len(found) else LACKING


def jobs(provider: Provider) -> int:
    """List the requisitions (templates left out): id, status, name, tab-separated."""
    shown = unreadable = 0
    for page in provider.list_jobs():
        for job in page.records:
            if not job.is_template:
                shown += 1
                _say(_line(job))
        unreadable += len(page.set_aside)
        _progress(f"{shown} jobs")
    _progress("")
    _tell(f"{shown} jobs" + (f", {unreadable} could not be read" if unreadable else "") + ".")
    return LACKING if unreadable else ALL_WELL


def _line(job: Job) -> str:
    marks = " (confidential)" if job.confidential else ""
    return f"{job.id}\t{job.status}\t{' '.join(job.name.split())}{marks}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _progress(text: str) -> None:
    """One line that is written over and over, where somebody is watching."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
