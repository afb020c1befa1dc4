"""`{% page_url "JOB_PAGE" job_pk=1 %}`: like `{% url %}`, for pages of packages above that of the
template, by their name in `portal.core.links`. `{% row_url "applications:more" 1 %}`: the same as
`{% url %}` for the rows of a page, in less time. `{% url "jobs:list" %}`: Django's own, resolved
once per process if it has no arguments. All are available without `{% load %}`.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template.base import Parser, Token
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as parse_url
from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape

from portal.core import links
from portal.web.row_urls import reverse_cached, reverse_plain

_ADMIN = links.ADMIN_HOME.partition(":")[0]  # there may be several instances

register = template.Library()
register.simple_tag(reverse_cached, name="row_url")


@register.simple_tag
def page_url(name: str, *args: Any, **kwargs: Any) -> str:
    url_name = getattr(links, name, None)
    if url_name is None:
        raise template.TemplateSyntaxError(f"portal.core.links has no '{name}'")
    if not args and not kwargs:
        return reverse_plain(url_name)
    return reverse(url_name, args=args, kwargs=kwargs)


class PlainUrlNode(template.Node):
    def __init__(self, name: str, variable: str | None) -> None:
        self._name = name
        self._variable = variable

    def render(self, context: template.Context) -> str:
        try:
            url = reverse_plain(self._name)
        except NoReverseMatch:
            if self._variable is None:
                raise
            url = ""
        if self._variable is None:
            return conditional_escape(url) if context.autoescape else url
        context[self._variable] = url
        return ""


@register.tag("url")
def parse_plain_url(parser: Parser, token: Token) -> URLNode | PlainUrlNode:
    node = parse_url(parser, token)
    name = node.view_name.var
    is_constant = isinstance(name, str) and not name.startswith(f"{_ADMIN}:")
    if node.args or node.kwargs or node.view_name.filters or not is_constant:
        return node
    return PlainUrlNode(str(name), node.asvar)
