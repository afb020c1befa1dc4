from __future__ import annotations

from django import template

from portal.support.customers import customer_status

register = template.Library()
register.filter("ago", customer_status.format_time_ago)
