"""HTML of an application's row."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from portal.applications.page.row_buttons import render_row_buttons
from portal.applications.page.rows import ApplicationRow
from portal.web.escaping import escape_text
from portal.web.flat_templates import fill_template
from portal.web.row_urls import reverse_cached


def render_row(
    row: ApplicationRow, *, selectable: bool, shows_status: bool, note: str = ""
) -> SafeString:
    """`selectable`: whether the page has the form for many; `shows_status`: whether the list has
    several statuses; `note`: why nothing was done just now.
    """
    if row.is_job_open:
        check_cell = _fill("check_cell", checkbox=_render_checkbox(row) if selectable else "")
        name = _fill("link", url=row.url, name=row.name)
        last_cells = _fill(
            "open_cells", result=_render_result(row, note), buttons=_render_buttons(row)
        )
    else:
        check_cell, name = SafeString(), escape_text(row.name)
        history_url = reverse_cached("applications:history", row.application.pk)
        last_cells = _fill("closed_cells", url=history_url, name=name)
    return _fill(
        "row",
        pk=row.dom_id,
        polling=_render_polling(row) if row.is_busy else "",
        check_cell=check_cell,
        name=name,
        role=row.role,
        stage=row.stage,
        due=_render_due(row),
        stage_note=row.stage_note,
        status_cell=_render_status_cell(row) if shows_status else "",
        applied=row.applied,
        source=row.source,
        active=_render_last_activity(row),
        last_cells=last_cells,
    )


def _render_polling(row: ApplicationRow) -> SafeString:
    url = reverse_cached("applications:row", row.application.pk)
    return _fill("polling", url=url, interval=row.poll_interval, token=row.state_token)


def _render_checkbox(row: ApplicationRow) -> SafeString:
    return _fill("checkbox", pk=row.dom_id, label=row.label) if row.selectable else SafeString()


def _render_due(row: ApplicationRow) -> SafeString:
    if row.due is None:
        return SafeString()
    tone = _fill("tone", tone=row.due.tone) if row.due.tone else ""
    return _fill("due", tone=tone, explanation=row.due.explanation, text=row.due.inline_text)


def _render_status_cell(row: ApplicationRow) -> SafeString:
    return _fill("status_cell", status=capfirst(row.application.status))


def _render_last_activity(row: ApplicationRow) -> SafeString:
    timestamp = row.active_timestamp
    return _fill("time", timestamp=timestamp, day=row.active) if timestamp else row.active


def _render_result(row: ApplicationRow, note: str) -> SafeString:
    has_status = bool(row.last or row.pending or note)
    status = _render_status(row, note) if has_status else ""
    if not row.unavailable_reason or row.is_busy:
        return SafeString(status)
    looks = "visually-hidden" if has_status else "lines muted"
    why_not = _fill("why_not", pk=row.dom_id, looks=looks, reason=row.unavailable_reason)
    return mark_safe(status + why_not)  # noqa: S308 - of escaped parts


def _render_status(row: ApplicationRow, note: str) -> SafeString:
    html = render_to_string("applications/_row_status.html", {"row": row, "note": note})
    return mark_safe(html.strip())  # noqa: S308 - rendered by Django


def _render_buttons(row: ApplicationRow) -> SafeString:
    if row.is_busy:
        return SafeString()
    return render_row_buttons(row.buttons, row.dom_id, row.label, lambda: row.click)


def _fill(part: str, /, **values: object) -> SafeString:
    return fill_template(f"applications/_row.html#{part}", **values)
