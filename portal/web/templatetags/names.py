"""`{{ name|isolate }}`: a name with a direction of its own, if it needs one.

Available in every template without `{% load %}`.
"""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.core.names.text import format_name, is_right_to_left
from portal.web.escaping import escape_text

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
    # Removing characters keeps what was escaped before safe.
    html = SafeString(name) if isinstance(value, SafeString) else escape_text(name)
    if len(name) > MAX_UNBROKEN_WORD and max(map(len, name.split())) > MAX_UNBROKEN_WORD:
        return format_html('<bdi class="long-word">{}</bdi>', html)
    return format_html("<bdi>{}</bdi>", html) if is_right_to_left(text) else html
