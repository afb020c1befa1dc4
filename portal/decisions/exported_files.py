"""Compares an exported CSV file with the record that it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from portal.decisions import csv_export, seal
from portal.decisions.models import Decision
from portal.decisions.rows import DecisionRow
from portal.decisions.visible_decisions import annotate_undoing
from portal.web.csv_rows import escape_formulas

# Names change, and go with the person.
_NAMES = {"Decided by", "Candidate", "Undone by"}
# What happened since the file was exported is not in it.
_VALUES_BEFORE = {"Undone": "no", "Undone at (UTC)": "", "Erased on request": "no"}
_FREE_TEXT = {"Note", "Filters", "Highlighted words"}
_SEAL = re.compile(r"[0-9a-f]{64}")


class NotAnExport(Exception):
    """The file has other columns than an export."""


def find_changed_lines(
    lines: Iterable[Mapping[str, str | None]], organization_id: int | None
) -> Iterator[tuple[int, str]]:
    """Line numbers and what is wrong, for each line that is not as recorded."""
    line_numbers: dict[str, int] = {}
    for number, line in enumerate(lines, start=2):
        line_seal = line["Seal"] or ""
        decision = _find_decision(line_seal, organization_id)
        if not line_seal:
            yield number, "it has no seal, so nothing proves it. Export it again once it is final."
        elif line_seal in line_numbers:
            yield number, f"the same decision as in line {line_numbers[line_seal]}."
        elif decision is None:
            yield number, "the record has no such decision; it may be deleted by age."
        elif names := _list_changed_headings(line, decision):
            yield number, f"not as recorded: {', '.join(names)}."
        line_numbers.setdefault(line_seal, number)


def check_headings(headings: Iterable[str] | None) -> None:
    """Raises NotAnExport."""
    if tuple(headings or ()) != csv_export.HEADINGS:
        raise NotAnExport


def _find_decision(line_seal: str, organization_id: int | None) -> Decision | None:
    if not _SEAL.fullmatch(line_seal):
        return None
    decisions = Decision.objects.filter(seal=line_seal)
    if organization_id is not None:
        decisions = decisions.filter(organization=organization_id)
    return annotate_undoing(decisions).first()


def _list_changed_headings(line: Mapping[str, str | None], decision: Decision) -> list[str]:
    """Whoever exported the file may have seen what people typed, or not."""
    versions = [_build_cells(decision, may_read_text=sees_text) for sees_text in (True, False)]
    uncompared = _NAMES | (_FREE_TEXT if decision.erased_at is not None else set())
    if decision.to_job_remote_id is not None:
        uncompared |= {"To"}
    return [
        name
        for name in csv_export.HEADINGS
        if name not in uncompared
        and line[name] not in {version[name] for version in versions}
        and line[name] != _VALUES_BEFORE.get(name)
    ]


def _build_cells(decision: Decision, *, may_read_text: bool) -> dict[str, str]:
    row = DecisionRow(
        decision,
        who="",
        undone_by="",
        candidate="",
        target_job="",
        may_read_text=may_read_text,
        is_intact=seal.has_valid_seal(decision),
    )
    cells = map(escape_formulas, csv_export.build_cells(row))
    return dict(zip(csv_export.HEADINGS, cells, strict=True))
