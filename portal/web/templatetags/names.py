"""`{{ name|isolate }}`: a name of somebody or something, with a direction of its own.

Available in every template without `{% load %}`.
"""

from __future__ import annotations

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from portal.core.text import format_name

register = template.Library()
NAMELESS = "No name"
# Longer words may break anywhere; shorter ones never do, so that narrow columns stay readable.
MAX_UNBROKEN_WORD = 24


@register.filter
def isolate(value: object) -> SafeString | str:
    """Render a name so that it neither turns the text around it nor widens the page nor is an
    empty place.
    """
    text = "" if value is None else str(value)
    if not text:
        return ""
    name = format_name(text) or NAMELESS
    css_class = ' class="long-word"' if max(map(len, name.split())) > MAX_UNBROKEN_WORD else ""
    # Removing characters keeps what was escaped before safe.
    html = name if isinstance(value, SafeString) else conditional_escape(name)
    return mark_safe(f"<bdi{css_class}>{html}</bdi>")  # noqa: S308 - escaped above
