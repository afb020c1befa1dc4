from __future__ import annotations

from django import template

from portal.support.customers import overview

register = template.Library()
register.filter("ago", overview.format_time_ago)
