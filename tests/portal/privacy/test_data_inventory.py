"""docs/data.md lists everything stored and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

from portal.privacy import retention
from portal.privacy.related_rows import Model

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "data.md"
PERSON_MODELS = {"accounts.User", "accounts.Membership", "sync.Candidate", "sync.AtsUser"}
FREE_FIELDS = (
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


def _read_document() -> dict[str, Row]:
    rows = {}
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and "." in cells[0] and " " not in cells[0]:
            name, what_for, people, things, how_long = cells
            rows[name] = Row(what_for, _split_names(people), _split_names(things), how_long)
    return rows


def _split_names(cell: str) -> set[str]:
    return {name.strip() for name in cell.split(",") if name.strip()}


def _free_fields(model: Model) -> set[str]:
    """The fields that may hold arbitrary text."""
    return {
        f.name for f in model._meta.concrete_fields if isinstance(f, FREE_FIELDS) and not f.choices
    }


def _person_fields(model: Model) -> set[str]:
    return {
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model._meta.label in PERSON_MODELS
    }


EXPIRING_MODELS = {rule.label for rule in retention.RETENTION_RULES}
STORED_MODELS = {
    model._meta.label: model
    for model in apps.get_models(include_auto_created=True)
    if not model._meta.proxy
    and (_free_fields(model) or _person_fields(model) or model._meta.label in EXPIRING_MODELS)
}


@pytest.mark.parametrize("name", sorted(STORED_MODELS))
def test_document_lists_model_and_fields(name: str) -> None:
    row = _read_document().get(name)
    assert row, f"docs/data.md does not name {name}: what for, of people, not of people, how long"
    model = STORED_MODELS[name]
    assert row.what_for
    assert row.how_long
    assert row.of_people | row.of_things == _free_fields(model) | _person_fields(model)
    assert _person_fields(model) <= row.of_people


def test_document_lists_only_stored_models() -> None:
    assert _read_document().keys() == STORED_MODELS.keys()


@pytest.mark.parametrize("rule", retention.RETENTION_RULES, ids=lambda rule: rule.label)
def test_document_names_retention_setting(rule: retention.RetentionRule) -> None:
    assert rule.setting in _read_document()[rule.label].how_long
    if rule.setting:
        assert getattr(settings, rule.setting) > 0


def test_document_names_only_existing_settings() -> None:
    document_words = DOCUMENT.read_text().replace(",", " ").replace(";", " ").split()
    for name in {word for word in document_words if word.endswith("_DAYS")}:
        assert isinstance(getattr(settings, name), int | float), name
