"""Templates that are filled without Django's rendering, and addresses that are resolved once."""

from __future__ import annotations

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.template.loader import get_template
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import mark_safe

from portal.web.flat_templates import fill_template

CANDIDATE = "jobs/_row.html#candidate"


def test_values_are_escaped() -> None:
    html = fill_template(CANDIDATE, url="/a?b=1&c", name="<b>100 %</b>")
    assert html == '<a href="/a?b=1&amp;c">&lt;b&gt;100 %&lt;/b&gt;</a>'
    assert "<b>Ada</b>" in fill_template(CANDIDATE, url="", name=mark_safe("<b>Ada</b>"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (CANDIDATE, {"url": "/a", "name": "Ada"}),
        ("jobs/_row.html#new", {"count": "3"}),
        ("applications/_row.html#time", {"timestamp": "2026-11-30T10:00Z", "day": "30 Nov 2026"}),
        ("jobs/_waiting_cell.html#overdue", {"count": "3", "explanation": "since Monday"}),
    ],
)
def test_filled_as_django_renders(name: str, values: dict[str, object]) -> None:
    assert fill_template(name, **values) == get_template(name).render(values)


def test_spaces_between_tags_are_dropped() -> None:
    names = ["pk", "polling", "check_cell", "name", "role", "stage", "due", "stage_note"]
    names += ["status_cell", "applied", "source", "active", "last_cells"]
    html = fill_template("applications/_row.html#row", **dict.fromkeys(names, "x"))
    assert '</td><td class="cell-stage">' in html
    assert html == html.strip()


def test_missing_value_is_refused() -> None:
    with pytest.raises(KeyError):
        fill_template(CANDIDATE, url="/a")


def test_other_tags_are_refused() -> None:
    with pytest.raises(TemplateSyntaxError):
        fill_template("jobs/_table.html", caption="", rows=())


def test_address_without_arguments() -> None:
    html = Template('{% url "jobs:list" %} {% url "jobs:list" as here %}{{ here }}')
    assert html.render(Context()) == f"{reverse('jobs:list')} {reverse('jobs:list')}"
    assert Template('{% url "no:view" as here %}{{ here }}').render(Context()) == ""
    with pytest.raises(NoReverseMatch):
        Template('{% url "no:view" %}').render(Context())
