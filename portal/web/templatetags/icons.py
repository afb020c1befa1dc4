"""`{% icon "check" %}` or `{% icon name class="spin" %}`: a symbol of `static/icons.svg`, hidden
from screen readers. Available in every template without `{% load %}`.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from django import template
from django.conf import settings
from django.template.base import FilterExpression, Parser, Token
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


class IconNode(template.Node):
    def __init__(self, name: FilterExpression, css_class: FilterExpression | None) -> None:
        self._name = name
        self._css_class = css_class

    def render(self, context: template.Context) -> SafeString:
        css_class = self._css_class.resolve(context) if self._css_class else ""
        return _render_icon(self._name.resolve(context), css_class, get_script_prefix())


@register.tag("icon")
def parse_icon(parser: Parser, token: Token) -> IconNode:
    """Raise TemplateSyntaxError for a literal name that `icons.svg` does not have."""
    tag, *arguments = token.split_contents()
    options = [argument for argument in arguments[1:] if argument.startswith("class=")]
    if not arguments or len(options) != len(arguments) - 1 or len(options) > 1:
        raise template.TemplateSyntaxError(f"'{tag}' takes a name and, optionally, class=…")
    name = parser.compile_filter(arguments[0])
    if isinstance(name.var, str) and not name.filters and name.var not in read_icon_names():
        raise template.TemplateSyntaxError(f"icons.svg has no icon named '{name.var}'")
    css_class = parser.compile_filter(options[0].removeprefix("class=")) if options else None
    return IconNode(name, css_class)


@cache
def read_icon_names() -> frozenset[str]:
    sprite = (settings.BASE_DIR / "static/icons.svg").read_text()
    return frozenset(re.findall(r'<symbol id="([a-z0-9-]+)"', sprite))


@lru_cache(maxsize=500)  # a list has hundreds, of few kinds
def _render_icon(name: str, css_class: str, script_prefix: str) -> SafeString:
    classes = f"icon {conditional_escape(css_class)}" if css_class else "icon"
    href = f"{static('icons.svg')}#{conditional_escape(name)}"
    return mark_safe(  # noqa: S308 - both values are escaped
        f'<svg class="{classes}" aria-hidden="true"><use href="{href}"></use></svg>'
    )
