"""The v3 client works under each reading of what Greenhouse's documentation leaves open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import ActingUserRefused, NotFound
from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.provider import HarvestV3
from integrations.greenhouse.sandbox import Sandbox

RECRUITERS = ("ada", "sam", "remy", "vic", "ivy")
UNLIMITED = {"v3_limit": 0, "token_limit": 0}


def open_provider(sandbox: Sandbox) -> HarvestV3:
    secrets = {
        "client_id": greenhouse.ACME_V3_CLIENT_ID,
        "client_secret": greenhouse.ACME_V3_CLIENT_SECRET,
    }
    return HarvestV3(secrets, ClientContext(api_url=sandbox.url, auth_url=sandbox.url))


@pytest.mark.parametrize("single_active_token", [False, True])
def test_reads_survive_tokens_of_recruiters(single_active_token: bool) -> None:
    with Sandbox(jobs=4, single_active_token=single_active_token, **UNLIMITED) as sandbox:
        provider = open_provider(sandbox)
        dataset = sandbox.dataset()
        users = [dataset.find_user_by_email(f"{name}@acme.example") for name in RECRUITERS]
        job_id = dataset.jobs.ids[0]

        def read_between_writes(number: int) -> int:
            if number % 4 == 0:
                user = users[number // 4 % len(users)]
                assert user is not None
                with suppress(NotFound, ActingUserRefused):
                    provider.unreject_application(0, acting_user_id=user.id)
            return provider.get_job(job_id).id

        with ThreadPoolExecutor(2) as pool:
            assert set(pool.map(read_between_writes, range(100))) == {job_id}


@pytest.mark.parametrize("stage_id", ["entry", "job_stage"])
@pytest.mark.parametrize("applications", [40, 200])
def test_current_stage_is_right_in_both_readings(stage_id: str, applications: int) -> None:
    options = {"stage_id": stage_id, "job_interview_stage_id": False, **UNLIMITED}
    with Sandbox(jobs=4, applications=applications, **options) as sandbox:  # type: ignore[arg-type]
        pages = open_provider(sandbox).list_applications()
        stages = {row.id: row.stage_id for page in pages for row in page.records}
        assert stages == {row.id: row.stage_id for row in sandbox.dataset().applications}


def test_application_moved_after_stage_list_is_right() -> None:
    with Sandbox(jobs=4, applications=200, job_interview_stage_id=False, **UNLIMITED) as sandbox:
        provider = open_provider(sandbox)
        list(provider.list_applications())
        row = next(
            row
            for row in sandbox.dataset().applications
            if row.status == "active" and row.stage_id and not row.prospect
        )
        sandbox.run_mutation("move_application", application_id=row.id)
        read = {a.id: a for page in provider.list_applications() for a in page.records}
        assert read[row.id].stage_id == row.stage_id


def test_refused_stage_list_leaves_stages_open() -> None:
    with Sandbox(jobs=4, job_interview_stage_id=False, **UNLIMITED) as sandbox:
        sandbox.faults.add_fault("/v3/application_stages", status=422, body={}, times=None)
        pages = list(open_provider(sandbox).list_applications())
        assert all(row.stage_id is None for page in pages for row in page.records)


def test_inactive_job_posts_are_listed() -> None:
    with Sandbox(jobs=12, **UNLIMITED) as sandbox:
        posts = sandbox.dataset().posts
        assert not all(post.active for post in posts)
        pages = open_provider(sandbox).list_job_posts()
        assert {row.id for page in pages for row in page.records} == set(posts.ids)
