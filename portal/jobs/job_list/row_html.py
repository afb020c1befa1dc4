"""HTML of a row of the requisition list."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from portal.jobs.answers.labels import format_count
from portal.jobs.answers.waiting_cell import render_waiting
from portal.jobs.job_list.rows import JobRow
from portal.web.escaping import escape_text
from portal.web.flat_templates import fill_template
from portal.web.row_urls import reverse_cached
from portal.web.templatetags.names import isolate

register = template.Library()


@register.filter("job_row")
def render_row(row: JobRow) -> SafeString:
    return _fill(
        "row",
        url=row.url,
        name=row.name,
        note=_render_note(row),
        candidates=_render_candidates(row) if row.candidate_matches else "",
        recruiters=row.recruiter_label or _fill("muted", text="Unassigned"),
        open_positions=_render_open_positions(row),
        applications=_render_applications(row),
        waiting=render_waiting(row.waiting, row.answer_note),
        longest_wait=_render_longest_wait(row),
        pin=render_pin(row),
    )


@register.filter("job_pin")
def render_pin(row: JobRow) -> SafeString:
    return _fill(
        "unpin" if row.pinned else "pin",
        key=_join(str(row.job.pk)),  # digits, unlike what Django makes of a number
        url=reverse_cached("jobs:set_pin", row.job.pk),
        name=row.name,
    )


def _render_note(row: JobRow) -> SafeString:
    marks = (
        _fill("confidential") if row.job.confidential else "",
        _fill("template") if row.job.is_template else "",
    )
    return _join(escape_text(row.note), *marks)


def _render_candidates(row: JobRow) -> SafeString:
    links = [_fill("candidate", url=url, name=isolate(name)) for name, url in row.candidate_links]
    return _fill(
        "candidates",
        label="Candidate" if len(row.candidate_matches) == 1 else "Candidates",
        links=SafeString(", ".join(links)),  # of escaped parts
        more=f" and {row.more_people}" if row.more_people else "",
    )


def _render_open_positions(row: JobRow) -> SafeString:
    if row.openings_left is None:
        return _fill("muted", text="Unknown")
    return format_count(row.openings_left)


def _render_applications(row: JobRow) -> SafeString:
    if not row.active:
        return _fill("muted", text="None active")
    return _fill(
        "applications",
        active=format_count(row.active),
        in_stage=f", {row.in_stage_label}" if row.stage_count else "",
        new=_fill("new", count=format_count(row.new)) if row.new else "",
        stages=row.stage_label,
        bars=_render_stage_bars(row),
    )


def _render_stage_bars(row: JobRow) -> SafeString:
    bars, x = [], 0.0  # in percent
    for color, width in row.stage_bars:
        bars.append(f'<rect class="stage-{color}" x="{x:.2f}" y="0" width="{width:.2f}" ')
        x += width
    return _join(*(f'{bar}height="8"></rect>' for bar in bars))


def _render_longest_wait(row: JobRow) -> SafeString:
    if row.waiting_since is None:
        return _fill("muted", text="–")
    return _fill(
        "longest_wait",
        timestamp=row.waiting_since.isoformat(),
        exactly=row.waiting_exactly,
        label=row.waiting_label,
    )


def _fill(part: str, /, **values: object) -> SafeString:
    return fill_template(f"jobs/_row.html#{part}", **values)


def _join(*parts: str) -> SafeString:
    return SafeString("".join(parts))  # of escaped parts
