"""The one CSV writer, read as spreadsheets read it."""

from __future__ import annotations

import csv
import io

import pytest

from portal.web.csv_rows import escape_formulas, stream_rows

FORMULA_CHARACTERS = "=+-@＝＋－＠"


@pytest.mark.parametrize("character", FORMULA_CHARACTERS)
@pytest.mark.parametrize(
    "before",
    [
        *("", " ", "\u00a0", "\u200b", "\ufeff", "\0", "\t", "a\r\n", "a\x0b", "a\u2028"),
        *("Sales;", "Sales; \u2060", 'Sales;"', "\u202e", "\xad"),
    ],
)
def test_formula_gets_apostrophe(character: str, before: str) -> None:
    assert escape_formulas(f"{before}{character}1") == f"{before}'{character}1"


@pytest.mark.parametrize("text", ["", "Nurse - nights", "a=b", "Q&A; R&D", "ada+jobs@acme.example"])
def test_plain_text_is_unchanged(text: str) -> None:
    assert escape_formulas(text) == text


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_no_delimiter_makes_a_formula(delimiter: str) -> None:
    """Excel splits by the semicolon in much of Europe; the file has commas."""
    cells = ["Sales;=cmd|x;y", "+1", 'a";=1+1', 'b;"=1+1', "Berlin, -5"]
    text = "".join(stream_rows(["Title"] * 5, [cells])).removeprefix("\ufeff")
    for row in csv.reader(io.StringIO(text), delimiter=delimiter):
        assert not any(cell.lstrip().startswith(tuple(FORMULA_CHARACTERS)) for cell in row)


def test_every_cell_is_quoted() -> None:
    lines = list(stream_rows(["a", "b"], [["1", 'say "x"']]))
    assert lines == ['\ufeff"a","b"\r\n', '"1","say ""x"""\r\n']
