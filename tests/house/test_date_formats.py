"""Dates are written in one way; short forms leave parts out, hover texts add the weekday."""

from __future__ import annotations

import re
from pathlib import Path

FORMATS = {
    "c", "j M", "j M Y", "j M, H:i", "j M Y, H:i", "j M Y, H:i:s", "j M Y, H:i T",
    "H:i", "H:i T", "H:i:s", "l j F Y, H:i T", "l j F Y, H:i:s T",
    "Y-m-d\\TH:i\\Z", "Y-m-d\\TH:i:s\\Z",  # short for "c" in `datetime`, where rows are many
}  # fmt: skip
_PROJECT = Path(__file__).parents[2]


def test_templates_use_known_date_formats() -> None:
    found = {
        (path.name, used.replace("\xa0", " "))
        for path in (_PROJECT / "templates").rglob("*.*")
        for used in re.findall(r'\|date:"([^"]*)"', path.read_text())
    }
    assert {row for row in found if row[1] not in FORMATS} == set()


def test_code_names_months_by_the_shared_format() -> None:
    months = re.compile(r"%-?d %[bB]")
    allowed = {"charts.py"}  # the days of an axis
    files = [
        path.name for path in (_PROJECT / "portal").rglob("*.py") if months.search(path.read_text())
    ]
    assert set(files) <= allowed
