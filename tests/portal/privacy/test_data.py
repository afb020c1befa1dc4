"""docs/data.md names everything that is stored, and tells the truth about how long."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

from portal.privacy import retention
from portal.privacy.holdings import Model

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "data.md"
PEOPLE = {"accounts.User", "accounts.Membership", "mirror.Candidate", "mirror.AtsUser"}
FREE = (
    models.CharField,
    models.TextField,
    models.JSONField,
    models.BinaryField,
    models.GenericIPAddressField,
)


class Row(NamedTuple):
    what_for: str
    of_people: set[str]
    of_things: set[str]
    how_long: str


def _listed() -> dict[str, Row]:
    rows = {}
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and "." in cells[0] and " " not in cells[0]:
            name, what_for, people, things, how_long = cells
            rows[name] = Row(what_for, _names(people), _names(things), how_long)
    return rows


def _names(cell: str) -> set[str]:
    return {name.strip() for name in cell.split(",") if name.strip()}


def _free(model: Model) -> set[str]:
    """The fields in which anything may stand."""
    return {f.name for f in model._meta.concrete_fields if isinstance(f, FREE) and not f.choices}


def _to_people(model: Model) -> set[str]:
    return {
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model._meta.label in PEOPLE
    }


STORED = {
    model._meta.label: model
    for model in apps.get_models(include_auto_created=True)
    if not model._meta.proxy and (_free(model) or _to_people(model))
}


@pytest.mark.parametrize("name", sorted(STORED))
def test_every_model_is_named_with_each_of_its_texts_and_people(name: str) -> None:
    row = _listed().get(name)
    assert row, f"docs/data.md does not name {name}: what for, of people, not of people, how long"
    model = STORED[name]
    assert row.what_for
    assert row.how_long
    assert row.of_people | row.of_things == _free(model) | _to_people(model)
    assert _to_people(model) <= row.of_people


def test_nothing_is_named_that_is_not_stored() -> None:
    assert _listed().keys() == STORED.keys()


@pytest.mark.parametrize("kept", retention.KEPT, ids=lambda kept: kept.label)
def test_what_ends_by_its_age_says_by_which_setting(kept: retention.Kept) -> None:
    assert kept.setting in _listed()[kept.label].how_long
    if kept.setting:
        assert getattr(settings, kept.setting) > 0


def test_no_setting_is_named_that_there_is_not() -> None:
    words = DOCUMENT.read_text().replace(",", " ").replace(";", " ").split()
    for name in {word for word in words if word.endswith("_DAYS")}:
        assert isinstance(getattr(settings, name), int | float), name
