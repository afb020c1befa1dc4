"""The requisition list shows exactly what Greenhouse lets each person see."""

from __future__ import annotations

import pytest
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.sync.engine import run_lifecycle
from portal.sync.models import Job
from tests.personas import Personas
from tests.portal.sync.permission_changes import revoke_permissions

LIST = "/requisitions/"


def _listed_ids(client) -> set[int]:
    return {row.job.remote_id for row in client.get(LIST).context.get("rows", [])}


def test_list_matches_greenhouse_visibility(
    connect, personas: Personas, sandbox: Sandbox, sign_in, kind: str
) -> None:
    connect(kind)
    expected = sandbox.count_records()["visible_open_job_ids"]
    for name in ("ada", "sam", "remy", "vic", "ivy", "dana"):
        assert _listed_ids(sign_in(getattr(personas, name))) == set(expected[name]), name


def test_list_differs_by_recruiter_role(
    connect, personas: Personas, sandbox: Sandbox, sign_in
) -> None:
    connect()
    sam, remy = _listed_ids(sign_in(personas.sam)), _listed_ids(sign_in(personas.remy))
    confidential = set(Job.objects.filter(confidential=True).values_list("remote_id", flat=True))
    assert len(sam) > len(remy) > 1
    assert not sam & confidential
    assert len(remy & confidential) == 1
    assert _listed_ids(sign_in(personas.uma)) == set()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("uma", "No Greenhouse user has your email"),
        ("dana", "Your Greenhouse account is deactivated"),
        ("ivy", "not a Site Admin or a Job Admin of any open job"),
    ],
)
def test_empty_list_explains_reason(
    connect, personas: Personas, sign_in, name: str, reason: str
) -> None:
    connect()
    assert reason in sign_in(getattr(personas, name)).get(LIST).content.decode()


def test_list_isolated_between_organizations(connect, personas: Personas, sign_in) -> None:
    connect()
    zoe = sign_in(personas.zoe)
    assert _listed_ids(zoe) == set()
    for job in Job.objects.all():
        assert zoe.get(reverse("applications:job_detail", args=[job.pk])).status_code == 404


def test_ambiguous_address_matches_nobody(connect, personas: Personas, sign_in) -> None:
    connect()
    personas.uma.user.email = "shared@acme.example"
    personas.uma.user.save()
    page = sign_in(personas.uma).get(LIST)
    assert "More than one Greenhouse user" in page.content.decode()


def test_secondary_address_matches_user(
    connect, personas: Personas, sandbox, sign_in, kind: str
) -> None:
    connect(kind)
    personas.uma.user.email = "Mona@acme.example"
    personas.uma.user.save()
    assert _listed_ids(sign_in(personas.uma)) == set(
        sandbox.count_records()["visible_open_job_ids"]["m.moss"]
    )


def test_removed_secondary_address_loses_access(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    """The address list, no longer readable, had once called the address verified."""
    connection = connect()
    personas.uma.user.email = "mona@acme.example"
    personas.uma.user.save()
    uma = sign_in(personas.uma)
    assert _listed_ids(uma)
    revoke_permissions(sandbox, connection, "user_emails.list")
    _sync_people(connection, run_tasks)
    assert _listed_ids(uma)  # the user record still has the address
    world = sandbox.dataset()
    world.remove_record(next(row for row in world.user_emails if row.email == "mona@acme.example"))
    _sync_people(connection, run_tasks)
    assert not _listed_ids(uma)


def _sync_people(connection: Connection, run_tasks) -> None:
    run_lifecycle.request_sync(connection, run_lifecycle.Scope.PEOPLE)
    run_tasks()


def test_hiring_team_fallback_lists_own_teams_only(
    connect, personas: Personas, sandbox: Sandbox, sign_in, kind: str
) -> None:
    connect(kind, without={"user_permissions.list_job_permissions"})
    assert _listed_ids(sign_in(personas.remy))
    for name in ("remy", "vic", "ivy"):
        listed = _listed_ids(sign_in(getattr(personas, name)))
        assert not Job.objects.filter(remote_id__in=listed, confidential=True).exists()
        for job in Job.objects.filter(remote_id__in=listed):
            assert job.team.filter(user__primary_email=f"{name}@acme.example").exists()


def test_list_before_connection_prompts_setup(personas: Personas, sign_in) -> None:
    assert "Connect Greenhouse" in sign_in(personas.ada).get(LIST).content.decode()
    assert "connected yet" in sign_in(personas.remy).get(LIST).content.decode()


def test_search_matches_title_and_ids(connect, personas: Personas, sign_in) -> None:
    connect()
    sam = sign_in(personas.sam)
    job = Job.objects.filter(status="open", confidential=False).exclude(requisition_id="").first()
    for query in (job.name[:6].lower(), job.requisition_id, str(job.remote_id)):
        rows = sam.get(LIST, {"q": query}).context["rows"]
        assert job in [row.job for row in rows]
        for row in rows:
            assert query in f"{row.job.name.lower()} {row.job.requisition_id} {row.job.remote_id}"
    no_match = sam.get(LIST, {"q": "no such requisition"})
    assert "No matches" in no_match.content.decode()


def test_search_does_not_reveal_hidden_job(connect, personas: Personas, sign_in) -> None:
    connect()
    hidden = Job.objects.filter(confidential=True, status="open").first()
    page = sign_in(personas.sam).get(LIST, {"q": str(hidden.remote_id)}).content.decode()
    assert hidden.name not in page


def test_htmx_gets_table_only_except_on_restore(connect, personas: Personas, sign_in) -> None:
    connect()
    sam = sign_in(personas.sam)
    partial = sam.get(LIST, HTTP_HX_REQUEST="true").content.decode()
    assert "<html" not in partial
    assert 'id="job-table"' in partial
    restored = sam.get(
        LIST, HTTP_HX_REQUEST="true", HTTP_HX_HISTORY_RESTORE_REQUEST="true"
    ).content.decode()
    assert "<html" in restored


def test_site_admin_sees_open_templates(
    connect, personas: Personas, sandbox: Sandbox, sign_in, kind: str
) -> None:
    connect(kind)
    open_jobs = [job for job in sandbox.dataset().jobs if job.status == "open"]
    template = next(job for job in open_jobs if job.is_template)
    assert any(row.job_id == template.id for row in sandbox.dataset().applications)
    client = sign_in(personas.sam)
    assert _listed_ids(client) == {job.id for job in open_jobs if not job.confidential}
    assert client.get(LIST).content.decode().count("Template</span>") == 1
    page = client.get(f"{LIST}{Job.objects.get(remote_id=template.id).pk}/")
    assert " · template" in page.content.decode()
    assert page.context["rows"]


@pytest.mark.parametrize("change", ["draft", "open"])
def test_only_draft_templates_leave_the_list(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, change: str
) -> None:
    connection = connect()
    dataset = sandbox.dataset()
    job = next(job for job in dataset.jobs if job.status == "open" and not job.confidential)
    dataset.update_record(job, is_template=True, status=change)
    run_lifecycle.request_sync(connection, run_lifecycle.Scope.FULL)
    run_tasks()
    assert (job.id in _listed_ids(sign_in(personas.sam))) is (change == "open")
    assert Job.objects.filter(remote_id=job.id, gone_at=None).exists() is (change == "open")
