"""Setup's pages ask the database once for each thing they show."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.personas import Personas


@pytest.mark.parametrize("kind", ["harvest_oauth", "harvest_key"])
def test_status_page_costs_few_statements(
    kind: str, connect, personas: Personas, sign_in, django_assert_max_num_queries
) -> None:
    connect(kind)
    ada: Client = sign_in(personas.ada)
    ada.get(reverse("onboarding:live"))  # what is written once a minute is not counted
    with django_assert_max_num_queries(12):
        page = ada.get(reverse("onboarding:live"))
    assert page.status_code == 200
