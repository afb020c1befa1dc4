"""HTML of a table's cell about the applications that need a decision."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from portal.jobs.answers.figures import WaitingCounts
from portal.web.flat_templates import fill_template

register = template.Library()


@register.filter("waiting_cell")
def render_waiting(waiting: WaitingCounts | None, note: str = "") -> SafeString:
    """The note follows on a line of its own."""
    return _fill(
        "cell", content=_render_counts(waiting), note=_fill("note", note=note) if note else ""
    )


def _render_counts(waiting: WaitingCounts | None) -> SafeString:
    if waiting is None or not (waiting.undecided or waiting.decision_unknown):
        return _fill("none")
    if not waiting.undecided:
        return _fill("unknown")
    return _fill("undecided", count=waiting.undecided_label, due=_render_due(waiting))


def _render_due(waiting: WaitingCounts) -> SafeString:
    due = waiting.due
    if waiting.overdue:
        explanation = due.explanation if due else ""
        return _fill("overdue", count=waiting.overdue_label, explanation=explanation)
    if due is None:
        return _fill("due_unknown")
    classes = f"pill tone-{due.tone}" if due.tone else "muted nowrap"
    return _fill("due", classes=classes, explanation=due.explanation, text=due.text)


def _fill(part: str, /, **values: object) -> SafeString:
    return fill_template(f"jobs/_waiting_cell.html#{part}", **values)
