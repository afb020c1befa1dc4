"""Undoing a batch costs as many statements for 500 applications as for two."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.applications.models import ApplicationAction, Batch
from portal.core.models import Transition
from portal.sync.models import Application
from tests.personas import Personas
from tests.portal.applications.action_helpers import list_applications
from tests.portal.applications.batch_helpers import (
    confirm_batch,
    first_reason_pk,
    pick_from_one_job,
)

Status = ApplicationAction.Status
SIZES = (1, 1, 3)  # the first also starts the organization's decision record


@pytest.fixture
def remy(personas: Personas, connect, sign_in) -> Client:
    connect("harvest_oauth")
    client = sign_in(personas.remy)
    client.get("/requisitions/")  # what is written once a minute is not counted
    return client


def _start_batch(client: Client, kind: str, chosen: list[Application]) -> Batch:
    reason = {"reason": first_reason_pk()} if kind == "reject" else {}
    assert confirm_batch(client, kind, chosen, **reason).status_code == 302
    return Batch.objects.latest("pk")


def _count_statements(send: Callable[[], HttpResponse]) -> int:
    with CaptureQueriesContext(connection) as statements:
        assert send().status_code == 302
    return len(statements)


@pytest.mark.parametrize("kind", ["advance", "reject"])
def test_withdrawing_costs_constant_statements(kind: str, remy: Client) -> None:
    counts = []
    for size in SIZES:
        batch = _start_batch(remy, kind, pick_from_one_job(size))
        url = reverse("applications:cancel_batch", args=[batch.pk])
        counts.append(_count_statements(lambda url=url: remy.post(url)))
        assert set(batch.actions.values_list("status", flat=True)) == {Status.CANCELED}
        ids = list(batch.actions.values_list("pk", flat=True))
        recorded = Transition.objects.filter(subject_id__in=ids, new=Status.CANCELED)
        assert recorded.filter(subject="applications.applicationaction").count() == size
    assert counts[1] == counts[2]


@pytest.mark.parametrize("kind", ["advance", "reject"])
def test_undoing_costs_constant_statements(kind: str, remy: Client, finish_actions) -> None:
    counts, used_pks = [], set()
    for size in SIZES:
        unused = [row for row in list_applications() if row.pk not in used_pks]
        chosen = [row for row in unused if row.job_id == unused[0].job_id][:size]
        used_pks |= {application.pk for application in chosen}
        batch = _start_batch(remy, kind, chosen)
        finish_actions()
        url = reverse("applications:undo_batch", args=[batch.pk])
        counts.append(_count_statements(lambda url=url: remy.post(url)))
        assert batch.undone_by.get().actions.count() == len(chosen)
    assert counts[1] == counts[2]
