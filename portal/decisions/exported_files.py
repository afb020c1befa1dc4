"""Compares an exported CSV file with the record that it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from portal.decisions import csv_export
from portal.decisions.models import Decision
from portal.decisions.rows import DecisionRow
from portal.web.csv_rows import escape_formulas

# Not names, which change, nor what depends on the reader or on what happened since.
COMPARED_HEADINGS = (
    *("Decided (UTC)", "Greenhouse application ID", "Decision", "Result", "Final since (UTC)"),
    *("From stage", "Reason", "Changed fields", "Email", "Email planned for (UTC)"),
    *("Part of a batch", "Page", "Search was on", "Résumé"),
)


def find_changed_lines(
    lines: Iterable[Mapping[str, str]], organization_ids: Sequence[int]
) -> Iterator[tuple[int, str]]:
    """Line numbers and what is wrong, for each line that is not as recorded."""
    for number, line in enumerate(lines, start=2):
        if not (line_seal := line["Seal"]):
            continue  # it was not certain then
        decision = Decision.objects.filter(
            organization__in=organization_ids, seal=line_seal
        ).first()
        if decision is None:
            yield number, "the record has no such decision; it may be deleted by age."
        elif names := _list_changed_headings(line, decision):
            yield number, f"not as recorded: {', '.join(names)}."


def _list_changed_headings(line: Mapping[str, str], decision: Decision) -> list[str]:
    row = DecisionRow(decision, "", "", "", "", may_read_text=False)
    cells = dict(zip(csv_export.HEADINGS, csv_export.build_cells(row), strict=True))
    return [name for name in COMPARED_HEADINGS if line[name] != escape_formulas(cells[name])]
