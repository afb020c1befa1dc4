"""Counts after a first sync at the size of a small and a large customer."""

from __future__ import annotations

import pytest
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.sync.models import Application, AtsUser, Candidate, Job, SyncRun
from tests.conftest import FULL_CREDENTIALS
from tests.personas import Personas


@pytest.mark.parametrize("jobs", [20, 2000])
def test_record_counts_match_greenhouse_at_any_size(
    personas: Personas, sign_in, run_tasks, settings, jobs: int
) -> None:
    with Sandbox(seed=11, jobs=jobs, applications=4000, v1_limit=0, v3_limit=0) as sandbox:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = sandbox.url
        sign_in(personas.ada).post(
            reverse("onboarding:credential"), FULL_CREDENTIALS["harvest_oauth"]
        )
        run_tasks()
        expected = sandbox.count_records()
    assert SyncRun.objects.get().status == SyncRun.Status.DONE
    assert AtsUser.objects.count() == expected["users_without_service_accounts"]
    assert Job.objects.count() == expected["requisitions"]
    assert Candidate.objects.count() == expected["candidates"]
    assert Application.objects.count() == expected["applications"]
