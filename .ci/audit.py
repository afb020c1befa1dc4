"""Asks whether a locked dependency has a known vulnerability; fails when one has.

Where the advisory service does not answer, or does not know our versions, that is said: it is no
audit, and no failure of ours either, unless AUDIT_REQUIRED=true.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

_COMMAND = [
    *(sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"),
    *("--require-hashes", "--disable-pip", "--no-deps", "--timeout", "10", "--requirement"),
]


def judged(code: int, told: str, said: str) -> tuple[str, bool]:
    """A sentence, and whether the build may go on."""
    required = os.environ.get("AUDIT_REQUIRED") == "true"
    try:
        found = json.loads(told)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        return f"NOT AUDITED: the advisory service gave no answer ({last[0][:200]}).", not required
    skipped = [one["name"] for one in found if "skip_reason" in one]
    weak = [
        f"  {one['name']} {one['version']}: {vuln['id']}, mended in "
        f"{', '.join(vuln['fix_versions']) or 'no version yet'}"
        for one in found
        for vuln in one.get("vulns", [])
    ]
    looked_at = len(found) - len(skipped)
    if weak:
        return "\n".join(["Vulnerable dependencies:", *weak]), False
    if not looked_at:
        return (
            f"NOT AUDITED: the advisory service knows none of the {len(found)} locked versions.",
            not required,
        )
    if code:
        return f"NOT AUDITED: pip-audit ended with {code}.", not required
    sentence = f"{looked_at} locked dependencies have no known vulnerability."
    if skipped:
        sentence += f" NOT AUDITED, since the service does not know them: {', '.join(skipped)}."
    return sentence, not (skipped and required)


def main() -> int:
    try:
        command = [*_COMMAND, sys.argv[1]]  # the lock file, exported as requirements
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
        sentence, well = judged(ended.returncode, ended.stdout, ended.stderr)
    except subprocess.TimeoutExpired:
        sentence, well = judged(1, "", "no answer within two minutes")
    print(sentence)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
