from __future__ import annotations

from datetime import timedelta

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

from portal.support.customers import customer_status

register = template.Library()
register.filter("ago", customer_status.format_time_ago)


@register.filter("duration")
def format_duration(duration: timedelta) -> str:
    """As "3 hours, 5 minutes"; "under a minute" below that."""
    if duration < timedelta(minutes=1):
        return "under a minute"
    start = timezone.now()
    return timesince(start - duration, start, depth=2).replace("\xa0", " ")
