"""docs/security.md names only what there is: each file, and each test by its sentence."""

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


def _quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("named", sorted({n for row in ROWS for n in _quoted(row[4])}))
def test_each_test_is_there(named: str) -> None:
    path, _, sentence = named.partition("::")
    assert re.search(rf"^def {sentence}\(", (PROJECT / path).read_text(), re.MULTILINE), named


FILES = {n for n in _quoted(TEXT) if "/" in n and "::" not in n and not n.startswith(("/", "<"))}


@pytest.mark.parametrize("named", sorted(FILES))
def test_each_file_is_there(named: str) -> None:
    assert (PROJECT / named).exists()


def test_what_is_met_has_a_test_and_what_is_not_a_reason() -> None:
    assert len(ROWS) > 40
    for group, _, state, how, tests in ROWS:
        assert state in {"met", "in part", "not applicable"}, group
        assert how, group
        assert tests or state == "not applicable", group


def test_every_chapter_is_there() -> None:
    chapters = {number for row in ROWS for number in re.findall(r"(\d+)\.\d+", row[0])}
    assert chapters == {str(number) for number in range(1, 15)}
