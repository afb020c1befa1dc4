"""Templates of text, icons and plain variables only, for the rows of a page: Django's rendering
takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from django.dispatch import receiver
from django.template import Context, Node, TemplateSyntaxError
from django.template.base import TextNode, VariableNode
from django.template.defaulttags import SpacelessNode
from django.template.loader import get_template
from django.utils.autoreload import file_changed
from django.utils.html import strip_spaces_between_tags
from django.utils.safestring import SafeString

from portal.web.escaping import escape_text
from portal.web.templatetags.icons import IconNode


def fill_template(name: str, /, **values: object) -> SafeString:
    """Render a template, or a partial as "list.html#row". Raises KeyError if a value is missing."""
    escaped = {
        key: value if isinstance(value, SafeString) else escape_text(value)
        for key, value in values.items()
    }
    return SafeString(_read_format(name) % escaped)


@cache
def _read_format(name: str) -> str:
    template = get_template(name).template  # type: ignore[attr-defined]
    return _format_nodes(template.nodelist)


def _format_nodes(nodes: Iterable[Node]) -> str:
    return "".join(map(_format_node, nodes))


def _format_node(node: Node) -> str:
    if isinstance(node, TextNode):
        return node.s.replace("%", "%%")
    if isinstance(node, IconNode):
        return node.render(Context()).replace("%", "%%")
    if isinstance(node, SpacelessNode):
        return strip_spaces_between_tags(_format_nodes(node.nodelist).strip())
    if isinstance(node, VariableNode) and str(node.filter_expression).isidentifier():
        return f"%({node.filter_expression})s"
    raise TemplateSyntaxError(f"{node!r} needs Django's rendering")


@receiver(file_changed)
def _forget_formats(**_: object) -> None:
    _read_format.cache_clear()
