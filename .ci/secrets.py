"""Looks for secrets in every tracked file. `--accept` writes what is there now into the list of
made-up values (.ci/secrets.json: a file's name, and digests): look at what that added.

What is a secret by its name alone is ruff's to find (S105 to S107).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings

PROJECT = Path(__file__).resolve().parent.parent
KNOWN = PROJECT / ".ci" / "secrets.json"
WITHOUT = re.compile(r"\.(lock|png|svg|woff2|css)$|\.min\.js$|^static/vendor/|^\.ci/secrets\.json$")

Found = dict[str, dict[str, str]]


def look(root: Path, names: list[str]) -> Found:
    """What looks like a secret: by file, the digest of each with its place."""
    secrets = SecretsCollection(root=str(root))
    with default_settings() as settings:
        settings.disable_plugins("KeywordDetector")
        for name in names:
            secrets.scan_file(name)
    found: Found = {}
    for name, secret in secrets:
        place = f"{name}:{secret.line_number}: {secret.type}"
        found.setdefault(name, {})[secret.secret_hash] = place
    return found


def look_in_parallel(root: Path, names: list[str]) -> Found:
    """What `look` returns, by as many processes as there are cores."""
    count = os.cpu_count() or 1
    shares = [names[start::count] for start in range(count)]
    with ProcessPoolExecutor(count) as pool:
        return {
            name: secrets
            for found in pool.map(look, repeat(root), shares)
            for name, secrets in found.items()
        }


def new(found: Found, known: dict[str, list[str]]) -> list[str]:
    """The places of those that nobody has accepted."""
    return sorted(
        place
        for name, secrets in found.items()
        for digest, place in secrets.items()
        if digest not in known.get(name, ())
    )


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  (whichever git there is)
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and not WITHOUT.search(name)]
    return [name for name in names if (PROJECT / name).is_file()]


def main() -> int:
    names = _tracked()
    found = look_in_parallel(PROJECT, names)
    if "--accept" in sys.argv:
        kept = {name: sorted(found[name]) for name in sorted(found)}
        KNOWN.write_text(json.dumps(kept, indent=1) + "\n")
        return 0
    places = new(found, json.loads(KNOWN.read_text()))
    print("\n".join(places) or f"No secret in {len(names)} files.")
    if places:
        print("If a value is made up and opens nothing: python .ci/secrets.py --accept")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
