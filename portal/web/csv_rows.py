"""CSV for spreadsheets: every cell is quoted, and none runs as a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from django.http import StreamingHttpResponse
from django.utils import timezone

_BYTE_ORDER_MARK = "\ufeff"  # tells Excel that the file is UTF-8
# A formula starts a cell. In much of Europe a semicolon starts the next cell, even within quotes
# once the line has begun; a tab or line break may, too. Blanks, quotes and invisible characters in
# front don't protect.
_FORMULA_START = re.compile(
    r"((?:^|[;\t\r\n\x0b\x0c\x85\u2028\u2029])"
    r"[\s\x00-\x1f\"\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe0f\ufeff]*)"
    r"([=+\-@＝＋－＠])"
)
_CONTROL_START = re.compile(r"^[\t\r\n]")


class _EchoWriter:
    def write(self, line: str) -> str:
        return line


def build_csv_response(
    name: str, headings: Iterable[str], rows: Iterable[Iterable[str]]
) -> StreamingHttpResponse:
    """A download that no cache keeps; `name` is that of the file, before the time."""
    filename = f"{name}-{timezone.now():%Y-%m-%d-%H%M}.csv"
    return StreamingHttpResponse(
        stream_rows(headings, rows),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{filename}"',
            "Cache-Control": "no-store",
        },
    )


def format_time(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def stream_rows(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the file line by line, so that it is never in memory as a whole."""
    writer = csv.writer(_EchoWriter(), quoting=csv.QUOTE_ALL)
    yield _BYTE_ORDER_MARK + str(writer.writerow(headings))
    for row in rows:
        yield str(writer.writerow([escape_formulas(cell) for cell in row]))


def escape_formulas(cell: str) -> str:
    """Put an apostrophe before whatever a spreadsheet could run (OWASP: CSV injection)."""
    escaped = _FORMULA_START.sub(r"\1'\2", cell)
    return f"'{escaped}" if escaped == cell and _CONTROL_START.match(cell) else escaped
