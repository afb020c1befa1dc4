"""Django's functions for safe HTML, for the cells of a page: theirs also support lazy texts, which
takes most of their time.
"""

from __future__ import annotations

from html import escape

from django.utils.safestring import SafeString


def escape_text(value: object) -> SafeString:
    """As `conditional_escape`."""
    text = str(value)
    return text if isinstance(text, SafeString) else SafeString(escape(text))
