"""The same sync at the size of a large customer."""

from __future__ import annotations

import pytest
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.mirror.models import Application, AtsUser, Candidate, Job, SyncRun
from tests.cast import Cast
from tests.conftest import FULL


@pytest.mark.parametrize("jobs", [20, 2000])
def test_the_counts_equal_greenhouses_own_whatever_the_size(
    cast: Cast, sign_in, work, settings, jobs: int
) -> None:
    with Sandbox(seed=11, jobs=jobs, applications=4000, v1_limit=0, v3_limit=0) as large:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = large.url
        sign_in(cast.ada).post(reverse("onboarding:credential"), FULL["harvest_oauth"])
        work()
        truth = large.stats()
    assert SyncRun.objects.get().status == SyncRun.Status.DONE
    assert AtsUser.objects.count() == truth["users_without_service_accounts"]
    assert Job.objects.count() == truth["jobs_not_template"]
    assert Candidate.objects.count() == truth["candidates"]
    assert Application.objects.count() == truth["applications"]
