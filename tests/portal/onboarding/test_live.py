"""The page of what is on and what is off tells of everything that pages use."""

from __future__ import annotations

from integrations.greenhouse.catalogue import CATALOGUE
from tests.cast import Cast

LIVE = "/set-up/live/"
UNUSED = "Tomorrow's access"


def test_everything_that_is_granted_is_told_to_be_on(connect, cast: Cast, sign_in) -> None:
    connect()
    page = sign_in(cast.ada).get(LIVE)
    on = {feature.label for feature in page.context["on"]}
    assert on == {feature.label for feature in CATALOGUE.features.values()} - {UNUSED}
    assert page.context["off"] == []


def test_what_may_not_be_read_is_told_to_be_off_and_what_that_costs(
    connect, cast: Cast, sign_in
) -> None:
    costs = {
        "Job posts": "Requisitions are shown without their posts.",
        "Openings": "It is not shown how many seats are left to fill.",
        "Close reasons": "It is not shown why an opening was closed.",
        "Departments": "Requisitions are shown without department names.",
        "Offices": "Requisitions are shown without office names.",
        "Role names": "Access is explained without the role&#x27;s name.",
    }
    keys = {key for key, feature in CATALOGUE.features.items() if feature.label in costs}
    connect(without={p.key for p in CATALOGUE.permissions if keys & set(p.features)})
    page = sign_in(cast.ada).get(LIVE)
    assert {feature.label for feature, _ in page.context["off"]} == costs.keys()
    assert not costs.keys() & {feature.label for feature in page.context["on"]}
    for words in costs.values():
        assert words in page.content.decode()
