"""Harvest v3 is asked only for the fields that are read."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from integrations.greenhouse.sandbox import Sandbox
from tests.integrations.greenhouse.test_open_questions import UNLIMITED, open_provider


def list_query_fields(sandbox: Sandbox, path: str) -> list[set[str]]:
    """The fields that each first page of a list was asked for; empty for all."""
    requests = [row for row in sandbox.requests.to_dicts() if row["path"] == path]
    queries = [parse_qs(str(row["query"])) for row in requests]
    return [set(",".join(query.get("fields", [])).split(",")) - {""} for query in queries]


def test_only_read_fields_are_asked_for() -> None:
    with Sandbox(jobs=2, **UNLIMITED) as sandbox:
        provider = open_provider(sandbox)
        for pages in (provider.list_current_stage_entries(), provider.list_candidates()):
            assert next(pages).records
        (fields,) = list_query_fields(sandbox, "/v3/application_stages")
        assert fields == {"id", "application_id", "job_interview_stage_id", "entered_at", "current"}
        (fields,) = list_query_fields(sandbox, "/v3/candidates")
        assert "email_addresses" in fields
        assert not {"tags", "addresses", "custom_fields", "updated_at"} & fields


def test_fields_survive_paging() -> None:
    with Sandbox(jobs=2, applications=1200, **UNLIMITED) as sandbox:
        pages = list(open_provider(sandbox).list_applications())
        assert [len(page.records) for page in pages] == [500, 500, 200]
        assert all(record.last_activity_at for page in pages for record in page.records)


def test_account_without_newer_fields_is_read_whole() -> None:
    """What `fields` gets that names something an account lacks is not documented."""
    options: dict[str, Any] = {"job_interview_stage_id": False, "unknown_fields": "refuse"}
    with Sandbox(jobs=4, applications=200, **options, **UNLIMITED) as sandbox:
        provider = open_provider(sandbox)
        for _ in range(2):
            rows = [row for page in provider.list_applications() for row in page.records]
            stages = {row.id: row.stage_id for row in rows}
            assert stages == {row.id: row.stage_id for row in sandbox.dataset().applications}
        first, second, third = list_query_fields(sandbox, "/v3/applications")
        assert first
        assert not second
        assert not third, "refused once, not asked again"


@pytest.mark.parametrize("resource", ["jobs", "job_hiring_managers", "custom_fields", "users"])
def test_no_list_is_asked_for_unknown_fields(resource: str) -> None:
    with Sandbox(jobs=4, unknown_fields="refuse", **UNLIMITED) as sandbox:
        provider = open_provider(sandbox)
        lists = (
            provider.list_jobs(),
            provider.list_hiring_team(),
            provider.list_custom_fields(),
            provider.list_users(),
        )
        assert all(
            record is not None for pages in lists for page in pages for record in page.records
        )
        assert all(list_query_fields(sandbox, f"/v3/{resource}"))
