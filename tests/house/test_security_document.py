"""docs/security.md names only files and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "docs" / "security.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| \d", line)
]


def _find_quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("reference", sorted({n for row in ROWS for n in _find_quoted(row[4])}))
def test_named_test_exists(reference: str) -> None:
    path, _, name = reference.partition("::")
    assert re.search(rf"^def {name}\(", (PROJECT / path).read_text(), re.MULTILINE), reference


FILES = {
    n for n in _find_quoted(TEXT) if "/" in n and "::" not in n and not n.startswith(("/", "<"))
}


@pytest.mark.parametrize("reference", sorted(FILES))
def test_named_file_exists(reference: str) -> None:
    assert (PROJECT / reference).exists()


def test_each_row_has_state_and_evidence() -> None:
    assert len(ROWS) > 40
    for group, _, state, how, tests in ROWS:
        assert state in {"met", "in part", "not applicable"}, group
        assert how, group
        assert tests or state == "not applicable", group


def test_every_chapter_is_covered() -> None:
    chapters = {number for row in ROWS for number in re.findall(r"(\d+)\.\d+", row[0])}
    assert chapters == {str(number) for number in range(1, 15)}
