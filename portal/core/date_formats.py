"""The one way in which dates and times are written, also by templates (portal.web.formats)."""

from __future__ import annotations

from datetime import datetime

from django.utils.formats import date_format


def format_datetime(at: datetime) -> str:
    """As "4 Nov 2026, 14:05", in the time zone of `at`."""
    return date_format(at, "DATETIME_FORMAT")
