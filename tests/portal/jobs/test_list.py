"""The requisition list shows exactly what Greenhouse lets each person see."""

from __future__ import annotations

import pytest
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.mirror import sync
from portal.mirror.models import Job
from tests.cast import Cast
from tests.portal.mirror.permissions import taken_away

LIST = "/requisitions/"


def _listed_ids(client) -> set[int]:
    return {row.job.remote_id for row in client.get(LIST).context.get("rows", [])}


def test_list_matches_greenhouse_visibility(
    connect, cast: Cast, sandbox: Sandbox, sign_in, kind: str
) -> None:
    connect(kind)
    expected = sandbox.stats()["visible_open_job_ids"]
    for name in ("ada", "sam", "remy", "vic", "ivy", "dana"):
        assert _listed_ids(sign_in(getattr(cast, name))) == set(expected[name]), name


def test_list_differs_by_recruiter_role(connect, cast: Cast, sandbox: Sandbox, sign_in) -> None:
    connect()
    sam, remy = _listed_ids(sign_in(cast.sam)), _listed_ids(sign_in(cast.remy))
    confidential = set(Job.objects.filter(confidential=True).values_list("remote_id", flat=True))
    assert len(sam) > len(remy) > 1
    assert not sam & confidential
    assert len(remy & confidential) == 1
    assert _listed_ids(sign_in(cast.uma)) == set()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("uma", "Nobody in Greenhouse has your address"),
        ("dana", "Your Greenhouse account is deactivated"),
        ("ivy", "gives you no open job"),
    ],
)
def test_empty_list_explains_reason(connect, cast: Cast, sign_in, name: str, reason: str) -> None:
    connect()
    assert reason in sign_in(getattr(cast, name)).get(LIST).content.decode()


def test_list_isolated_between_organizations(connect, cast: Cast, sign_in) -> None:
    connect()
    zoe = sign_in(cast.zoe)
    assert _listed_ids(zoe) == set()
    for job in Job.objects.all():
        assert zoe.get(reverse("applications:of_job", args=[job.pk])).status_code == 404


def test_ambiguous_address_matches_nobody(connect, cast: Cast, sign_in) -> None:
    connect()
    cast.uma.user.email = "shared@acme.example"
    cast.uma.user.save()
    page = sign_in(cast.uma).get(LIST)
    assert "More than one Greenhouse account" in page.content.decode()


def test_secondary_address_matches_user(connect, cast: Cast, sandbox, sign_in, kind: str) -> None:
    connect(kind)
    cast.uma.user.email = "Mona@acme.example"
    cast.uma.user.save()
    assert _listed_ids(sign_in(cast.uma)) == set(sandbox.stats()["visible_open_job_ids"]["m.moss"])


def test_removed_secondary_address_loses_access(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    """The address list, no longer readable, had once called the address verified."""
    connection = connect()
    cast.uma.user.email = "mona@acme.example"
    cast.uma.user.save()
    uma = sign_in(cast.uma)
    assert _listed_ids(uma)
    taken_away(sandbox, connection, "user_emails.list")
    _sync_people(connection, work)
    assert _listed_ids(uma)  # the user record still has the address
    world = sandbox.world()
    world.remove(next(row for row in world.user_emails if row.email == "mona@acme.example"))
    _sync_people(connection, work)
    assert not _listed_ids(uma)


def _sync_people(connection: Connection, work) -> None:
    sync.request(connection, sync.Scope.PEOPLE)
    work()


def test_hiring_team_fallback_lists_own_teams_only(
    connect, cast: Cast, sandbox: Sandbox, sign_in, kind: str
) -> None:
    connect(kind, without={"user_permissions.list_job_permissions"})
    assert _listed_ids(sign_in(cast.remy))
    for name in ("remy", "vic", "ivy"):
        listed = _listed_ids(sign_in(getattr(cast, name)))
        assert not Job.objects.filter(remote_id__in=listed, confidential=True).exists()
        for job in Job.objects.filter(remote_id__in=listed):
            assert job.team.filter(user__primary_email=f"{name}@acme.example").exists()


def test_list_before_connection_prompts_setup(cast: Cast, sign_in) -> None:
    assert "Connect Greenhouse" in sign_in(cast.ada).get(LIST).content.decode()
    assert "not connected yet" in sign_in(cast.remy).get(LIST).content.decode()


def test_search_matches_title_and_ids(connect, cast: Cast, sign_in) -> None:
    connect()
    sam = sign_in(cast.sam)
    job = Job.objects.filter(status="open", confidential=False).exclude(requisition_id="").first()
    for query in (job.name[:6].lower(), job.requisition_id, str(job.remote_id)):
        rows = sam.get(LIST, {"q": query}).context["rows"]
        assert job in [row.job for row in rows]
        for row in rows:
            assert query in f"{row.job.name.lower()} {row.job.requisition_id} {row.job.remote_id}"
    no_match = sam.get(LIST, {"q": "no such requisition"})
    assert "Nothing fits" in no_match.content.decode()


def test_search_does_not_reveal_hidden_job(connect, cast: Cast, sign_in) -> None:
    connect()
    hidden = Job.objects.filter(confidential=True, status="open").first()
    page = sign_in(cast.sam).get(LIST, {"q": str(hidden.remote_id)}).content.decode()
    assert hidden.name not in page


def test_htmx_gets_table_only_except_on_restore(connect, cast: Cast, sign_in) -> None:
    connect()
    sam = sign_in(cast.sam)
    partial = sam.get(LIST, HTTP_HX_REQUEST="true").content.decode()
    assert "<html" not in partial
    assert 'id="job-table"' in partial
    restored = sam.get(
        LIST, HTTP_HX_REQUEST="true", HTTP_HX_HISTORY_RESTORE_REQUEST="true"
    ).content.decode()
    assert "<html" in restored
