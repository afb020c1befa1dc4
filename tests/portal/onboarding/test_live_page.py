"""The live page lists every feature as on or off."""

from __future__ import annotations

from integrations.greenhouse.permission_catalogue import CATALOGUE
from tests.personas import Personas

LIVE = "/setup/live/"
UNUSED = "Access to future jobs"


def test_granted_features_listed_as_on(connect, personas: Personas, sign_in) -> None:
    connect()
    page = sign_in(personas.ada).get(LIVE)
    on = {feature.label for feature in page.context["on"]}
    assert on == {feature.label for feature in CATALOGUE.features.values()} - {UNUSED}
    assert page.context["off"] == []


def test_missing_features_listed_with_their_cost(connect, personas: Personas, sign_in) -> None:
    cost_by_label = {
        "Job posts": "Requisitions are shown without their job posts.",
        "Openings": "The number of open positions isn't shown.",
        "Close reasons": "The reason an opening was closed isn't shown.",
        "Departments": "Requisitions are shown without department names.",
        "Offices": "Requisitions are shown without office names.",
        "Role names": "Access is explained without the role's name.",
    }
    keys = {key for key, feature in CATALOGUE.features.items() if feature.label in cost_by_label}
    connect(without={p.key for p in CATALOGUE.permissions if keys & set(p.features)})
    page = sign_in(personas.ada).get(LIVE)
    assert {feature.label for feature, _ in page.context["off"]} == cost_by_label.keys()
    assert not cost_by_label.keys() & {feature.label for feature in page.context["on"]}
    for cost in cost_by_label.values():
        assert cost in page.content.decode().replace("&#x27;", "'")
