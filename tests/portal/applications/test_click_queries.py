"""A click, and what follows it, costs few queries: what is available is worked out once."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    find_application,
    reject_application,
    submit_action,
)


@pytest.fixture
def remy(sandbox: Sandbox, personas: Personas, connect, sign_in) -> Client:
    connect("harvest_oauth")
    return sign_in(personas.remy)


def test_polling_open_action_costs_few_queries(remy: Client, django_assert_max_num_queries) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    with django_assert_max_num_queries(10):
        page = remy.get(build_action_url("row", application.pk), **HTMX)
    assert 'aria-busy="true"' in page.content.decode()


def test_repeated_click_costs_few_queries(remy: Client, django_assert_max_num_queries) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    with django_assert_max_num_queries(17):
        assert submit_action(remy, "advance", application).status_code == 409


@pytest.mark.parametrize(("follow_up", "count"), [("cancel_action", 23), ("dismiss_action", 14)])
def test_follow_up_costs_few_queries(
    follow_up: str, count: int, remy: Client, django_assert_max_num_queries
) -> None:
    application = find_application()
    reject_application(remy, application)
    # The first decision of an organization starts its record.
    remy.post(reverse("applications:cancel_action", args=[ApplicationAction.objects.get().pk]))
    reject_application(remy, application)
    action = ApplicationAction.objects.latest("pk")
    with django_assert_max_num_queries(count):
        response = remy.post(reverse(f"applications:{follow_up}", args=[action.pk]), **HTMX)
    assert response.status_code == 200
