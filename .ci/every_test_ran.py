"""Check that every collected test ran in at least one of CI's test runs.

    python .ci/every_test_ran.py LEDGER...

Each LEDGER is what pytest's `--ledger` was given (tests/plugins/ledger.py).
"""

from __future__ import annotations

import sys
from pathlib import Path


def read_ids(path: str) -> set[str]:
    return set(Path(path).read_text().splitlines())


def find_missing(ledgers: list[str]) -> list[str]:
    """Return the ids of tests that some run collected and none ran."""
    collected = set().union(*(read_ids(f"{ledger}.collected") for ledger in ledgers))
    ran = set().union(*(read_ids(f"{ledger}.ran") for ledger in ledgers))
    return sorted(collected - ran)


def main(ledgers: list[str]) -> int:
    missing = find_missing(ledgers)
    total = len(set().union(*(read_ids(f"{ledger}.collected") for ledger in ledgers)))
    for nodeid in missing:
        print(f"never ran: {nodeid}")
    print(f"{total - len(missing)} of {total} tests ran in at least one run.")
    return 1 if missing or not total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
