from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from integrations.greenhouse.sandbox import Sandbox
from tests.integrations.greenhouse.sandbox.api_client import ApiClient


def test_same_seed_gives_same_dataset() -> None:
    first, second = Sandbox(seed=3, jobs=12), Sandbox(seed=3, jobs=12)
    assert first.app.take_snapshot() == second.app.take_snapshot()
    assert first.app.take_snapshot() != Sandbox(seed=4, jobs=12).app.take_snapshot()


def test_dataset_has_requested_size(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(jobs=31, users=40, applications=77)
    stats = api.sandbox.count_records()
    assert (stats["jobs"], stats["applications"]) == (31, 77)
    assert stats["users_without_service_accounts"] == 40


def test_tiny_dataset_works(make_api: Callable[..., ApiClient]) -> None:
    for jobs in (0, 1, 3):
        api = make_api(jobs=jobs)
        assert len(api.v1("GET", "/jobs").json()) == jobs


def test_standard_users_exist(api: ApiClient) -> None:
    users = {row["name"]: row for row in api.list_v1("/users")}
    assert users["Ada Adeyemi"]["site_admin"]
    assert users["Dana Diaz"]["disabled"]
    assert users["Dana Diaz"]["site_admin"]
    assert users["Mona Moss"]["emails"] == ["m.moss@acme.example", "mona@acme.example"]
    names = ["Ada", "Sam", "Remy", "Vic", "Ivy", "Basil", "Dana", "Mona"]
    assert [name.split()[0] for name in list(users)[:8]] == names
    assert not any("uma@" in email for row in users.values() for email in row["emails"])
    assert "Sync Bot" in users
    assert users["Sync Bot"]["primary_email_address"] is None


def test_email_domain_is_an_option(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(domain="hello.example")
    assert len(api.v1("GET", "/users", params={"email": "ada@hello.example"}).json()) == 1


def test_standard_users_see_expected_jobs(api: ApiClient) -> None:
    stats, world = api.sandbox.count_records(), api.sandbox.dataset()
    visible = stats["visible_open_jobs"]
    opened = stats["open_jobs_not_confidential"]
    assert visible["ada"] == visible["sam"] == opened
    assert visible["vic"] == 3
    assert visible["ivy"] == visible["basil"] == visible["dana"] == 0
    remy = [world.jobs[number] for number in stats["visible_open_job_ids"]["remy"]]
    assert sum(job.confidential for job in remy) == 1
    assert abs(sum(not job.confidential for job in remy) - opened / 3) <= 1


def test_dataset_contains_edge_cases(api: ApiClient) -> None:
    jobs = api.list_v1("/jobs")
    assert {job["status"] for job in jobs} == {"open", "closed", "draft"}
    assert {job["is_template"] for job in jobs} == {True, False, None}
    assert any(job["departments"] == [None] for job in jobs)
    assert any(job["requisition_id"] is None for job in jobs)
    assert any(job["confidential"] for job in jobs)
    assert any(o["location"]["name"] is None for o in api.list_v1("/offices"))
    assert max(job["id"] for job in jobs) > 2**32
    rows = api.list_v1("/applications")
    assert {row["status"] for row in rows} == {"active", "rejected", "hired", "converted"}
    prospects = [row for row in rows if row["prospect"]]
    assert {len(row["jobs"]) for row in prospects} >= {0, 1, 3}
    assert all(row["current_stage"] is None for row in prospects)
    assert all(row["current_stage"] is None for row in rows if row["status"] == "hired")
    assert any(row["is_private"] for row in api.list_v1("/candidates"))
    assert any(not row["active"] for row in api.list_v1("/job_stages"))
    templates = {job["id"] for job in jobs if job["is_template"]}
    assert any(job["id"] in templates for row in rows for job in row["jobs"])
    assert any(row["credited_to"] for row in rows)
    openings = [o["opening_id"] for job in jobs for o in job["openings"] if o["opening_id"]]
    assert len(set(openings)) < len(openings)


def test_drafts_have_no_applications(api: ApiClient) -> None:
    world = api.sandbox.dataset()
    for row in world.applications:
        for number in [row.job_id, *row.prospective_job_ids]:
            job = world.jobs.get(number)
            assert job is None or job.status != "draft"


def test_ids_are_unique_across_tables() -> None:
    app = Sandbox().app
    counted = Counter(
        number
        for world in app.datasets.values()
        for table in world.tables.values()
        for number in table.ids
    )
    assert max(counted.values()) == 1


def test_stats_match_api_lists(api: ApiClient) -> None:
    stats = api.sandbox.count_records()
    for kind, path in (
        ("jobs", "/jobs"),
        ("applications", "/applications"),
        ("candidates", "/candidates"),
        ("users", "/users"),
        ("job_interview_stages", "/job_stages"),
    ):
        assert stats[kind] == len(api.list_v1(path, per_page=500))
    active = [row for row in api.list_v3("/applications", status="active") if row["job_id"]]
    by_job = Counter(str(row["job_id"]) for row in active)
    counts = stats["active_applications_by_job"]
    assert {job: count for job, count in counts.items() if count} == dict(by_job)
    assert set(counts) == {str(job["id"]) for job in api.list_v1("/jobs")}
