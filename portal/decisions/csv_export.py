"""A requisition's decisions as CSV rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from portal.decisions.rows import DecisionRow
from portal.web.csv_rows import format_time

HEADINGS = (
    "Decided (UTC)",
    "Decided by",
    "Automated",
    "Candidate",
    "Greenhouse application ID",
    "Decision",
    "Result",
    "Final since (UTC)",
    "From stage",
    "To",
    "Reason",
    "Note",
    "Changed fields",
    "Email",
    "Email planned for (UTC)",
    "Undone",
    "Undone by",
    "Undone at (UTC)",
    "Part of a batch",
    "Page",
    "Filters",
    "Search was on",
    "Highlighted words",
    "Résumé",
    "Erased on request",
    "Seal",
    "Seal check",
)


def list_cells(rows: Iterable[DecisionRow]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        yield build_cells(row)


def build_cells(row: DecisionRow) -> tuple[str, ...]:
    decision = row.decision
    return (
        format_time(decision.decided_at),
        " ".join(part for part in (row.who, row.acting_note) if part),
        "no",
        row.candidate,
        str(decision.application_remote_id),
        row.title,
        row.result,
        format_time(decision.settled_at) if row.is_sealed else "",
        decision.from_stage,
        row.target,
        decision.reason,
        row.note,
        "; ".join(decision.changed_fields),
        describe_email(row),
        format_time(decision.email_send_at),
        _format_flag(row.undone_at),
        row.undone_by,
        format_time(row.undone_at),
        _format_flag(decision.is_in_batch),
        row.page_label,
        "; ".join(f"{label}: {value}" for label, value in row.filters),
        _format_flag(decision.was_searched),
        "; ".join(row.highlighted_words),
        row.resume,
        _format_flag(row.is_erased),
        decision.seal,
        _describe_seal(row),
    )


def describe_email(row: DecisionRow) -> str:
    """Empty for decisions that never send one."""
    decision = row.decision
    if not row.is_rejection:
        return ""
    if not decision.email_template:
        return "No email"
    name = f"“{decision.email_template}”"
    if decision.email_send_at is None:
        return f"{name} not sent"
    return f"{name} {'sent' if decision.was_email_sent_at_once else 'scheduled in Greenhouse'}"


def _describe_seal(row: DecisionRow) -> str:
    if not row.is_sealed:
        return "not sealed yet"
    return "unchanged" if row.is_intact else "changed since it was recorded"


def _format_flag(value: object) -> str:
    return "yes" if value else "no"
