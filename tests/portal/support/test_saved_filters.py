"""Filters of the customer list that staff save for themselves."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.support.customers import saved_filters
from portal.support.models import SavedFilter
from tests.personas import Personas

LIST = reverse("admin:accounts_organization_changelist")
SAVE = reverse("admin:support_save_filter")


@pytest.fixture
def cas(personas: Personas, sign_in) -> Client:
    return sign_in(personas.cas)


def test_filter_is_saved_and_offered(cas: Client) -> None:
    assert "Save these filters as" in cas.get(LIST, {"owner": "mine", "q": "Acme"}).text
    answer = cas.post(SAVE, {"name": "My Acme", "query": "q=Acme&owner=mine&p=2"}, follow=True)
    assert "Filter “My Acme” saved." in answer.text
    assert SavedFilter.objects.get().query == "owner=mine&q=Acme"
    assert "?owner=mine&amp;q=Acme" in cas.get(LIST).text
    current = cas.get(LIST, {"q": "Acme", "owner": "mine"}).text
    assert 'aria-current="true"' in current
    assert "Remove filter “" in current


def test_same_name_replaces_the_filter(cas: Client) -> None:
    for query in ("owner=mine", "owner=none"):
        cas.post(SAVE, {"name": "Mine", "query": query})
    assert [row.query for row in SavedFilter.objects.all()] == ["owner=none"]


def test_filter_can_be_removed(cas: Client) -> None:
    cas.post(SAVE, {"name": "Mine", "query": "owner=mine"})
    row = SavedFilter.objects.get()
    answer = cas.post(reverse("admin:support_remove_filter", args=[row.pk]), follow=True)
    assert "Filter “Mine” removed." in answer.text
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"name": "", "query": "owner=mine"}, "Enter a name for the filter."),
        ({"name": "Empty", "query": "p=3"}, "Filter or search the list first."),
        ({"name": "Long", "query": "q=" + "x" * 600}, "too long to save"),
    ],
)
def test_unusable_filter_is_a_sentence(cas: Client, form: dict[str, str], sentence: str) -> None:
    assert sentence in cas.post(SAVE, form, follow=True).text
    assert not SavedFilter.objects.exists()


def test_filters_are_ones_own(cas: Client, personas: Personas, sign_in) -> None:
    cas.post(SAVE, {"name": "Cas's", "query": "owner=mine"})
    ola, row = sign_in(personas.ola), SavedFilter.objects.get()
    assert "Cas's" not in ola.get(LIST).text
    ola.post(reverse("admin:support_remove_filter", args=[row.pk]))
    assert SavedFilter.objects.exists()


def test_number_of_filters_is_limited(cas: Client, monkeypatch) -> None:
    monkeypatch.setattr(saved_filters, "MAX_FILTERS", 1)
    for name in ("One", "Two"):
        answer = cas.post(SAVE, {"name": name, "query": "owner=mine"}, follow=True)
    assert "Remove one first." in answer.text
    assert SavedFilter.objects.count() == 1
