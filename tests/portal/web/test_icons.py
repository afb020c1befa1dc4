from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template import Context, Template, TemplateSyntaxError

from portal.web.templatetags.icons import read_icon_names

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
QUOTED_NAME = re.compile(r"[\"']([a-z0-9-]+)[\"']")
ICON_ARGUMENT = re.compile(r'\bicon="([^"]*)"')


def _render(source: str, **context: str) -> str:
    return Template(source).render(Context(context))


def test_icon_is_hidden_from_screen_readers() -> None:
    assert _render('{% icon "check" %}') == (
        '<svg class="icon" aria-hidden="true"><use href="/static/icons.svg#check"></use></svg>'
    )


def test_icon_takes_css_class() -> None:
    assert '<svg class="icon spin" ' in _render('{% icon "loader-2" class="spin" %}')


def test_icon_name_from_context_is_escaped() -> None:
    assert "icons.svg#pin&quot;&gt;" in _render("{% icon name %}", name='pin">')


@pytest.mark.parametrize(
    "source", ['{% icon "no-such-icon" %}', "{% icon %}", '{% icon "check" "x" %}']
)
def test_mistake_fails_at_compile_time(source: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        Template(source)


def test_each_icon_is_used() -> None:
    paths = [*TEMPLATES.rglob("*.*"), *(TEMPLATES.parent / "portal").rglob("*.py")]
    quoted = set(QUOTED_NAME.findall("".join(path.read_text() for path in paths)))
    assert sorted(read_icon_names() - quoted) == []


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_template_names_existing_icons(path: Path) -> None:
    source = path.read_text()
    Template(source)
    assert set(ICON_ARGUMENT.findall(source)) <= read_icon_names() | {""}
    assert '<svg class="icon' not in source
