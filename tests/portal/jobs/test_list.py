"""The list of requisitions: exactly what Greenhouse lets each person see."""

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


def _shown(client) -> set[int]:
    return {row.job.remote_id for row in client.get(LIST).context.get("rows", [])}


@pytest.mark.parametrize("name", ["ada", "sam", "remy", "vic", "ivy", "dana"])
def test_each_person_sees_what_greenhouse_lets_them_see(
    connect, cast: Cast, sandbox: Sandbox, sign_in, kind: str, name: str
) -> None:
    connect(kind)
    truth = sandbox.stats()["visible_open_job_ids"][name]
    assert _shown(sign_in(getattr(cast, name))) == set(truth)


def test_the_three_kinds_of_recruiter_really_differ(
    connect, cast: Cast, sandbox: Sandbox, sign_in
) -> None:
    connect()
    sam, remy = _shown(sign_in(cast.sam)), _shown(sign_in(cast.remy))
    confidential = set(Job.objects.filter(confidential=True).values_list("remote_id", flat=True))
    assert len(sam) > len(remy) > 1
    assert not sam & confidential
    assert len(remy & confidential) == 1
    assert _shown(sign_in(cast.uma)) == set()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("uma", "Nobody in Greenhouse has your address"),
        ("dana", "Your Greenhouse account is deactivated"),
        ("ivy", "gives you no open job"),
    ],
)
def test_who_sees_nothing_reads_why(connect, cast: Cast, sign_in, name: str, words: str) -> None:
    connect()
    assert words in sign_in(getattr(cast, name)).get(LIST).content.decode()


def test_another_organization_sees_nothing_of_it(connect, cast: Cast, sign_in) -> None:
    connect()
    zoe = sign_in(cast.zoe)
    assert _shown(zoe) == set()
    for job in Job.objects.all():
        assert zoe.get(reverse("applications:of_job", args=[job.pk])).status_code == 404


def test_an_address_on_two_greenhouse_users_matches_nobody(connect, cast: Cast, sign_in) -> None:
    connect()
    cast.uma.user.email = "shared@acme.example"
    cast.uma.user.save()
    page = sign_in(cast.uma).get(LIST)
    assert "More than one Greenhouse account" in page.content.decode()


def test_a_second_address_matches_too(connect, cast: Cast, sandbox, sign_in, kind: str) -> None:
    connect(kind)
    cast.uma.user.email = "Mona@acme.example"
    cast.uma.user.save()
    assert _shown(sign_in(cast.uma)) == set(sandbox.stats()["visible_open_job_ids"]["m.moss"])


def test_a_second_address_taken_away_opens_nothing_although_the_list_of_them_is_refused(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    """The list had called it verified; the user no longer carries it."""
    connection = connect()
    cast.uma.user.email = "mona@acme.example"
    cast.uma.user.save()
    uma = sign_in(cast.uma)
    assert _shown(uma)
    taken_away(sandbox, connection, "user_emails.list")
    _read_people(connection, work)
    assert _shown(uma)  # the user carries it
    world = sandbox.world()
    world.remove(next(one for one in world.user_emails if one.email == "mona@acme.example"))
    _read_people(connection, work)
    assert not _shown(uma)


def _read_people(connection: Connection, work) -> None:
    sync.request(connection, sync.Scope.PEOPLE)
    work()


def test_without_the_grants_the_hiring_team_stands_in_and_never_shows_more(
    connect, cast: Cast, sandbox: Sandbox, sign_in, kind: str
) -> None:
    connect(kind, without={"user_permissions.list_job_permissions"})
    for name in ("remy", "vic", "ivy"):
        shown = _shown(sign_in(getattr(cast, name)))
        assert not Job.objects.filter(remote_id__in=shown, confidential=True).exists()
        for job in Job.objects.filter(remote_id__in=shown):
            assert job.team.filter(user__primary_email=f"{name}@acme.example").exists()


def test_before_anything_is_connected_the_page_says_so(cast: Cast, sign_in) -> None:
    assert "Connect Greenhouse" in sign_in(cast.ada).get(LIST).content.decode()
    assert "not connected yet" in sign_in(cast.remy).get(LIST).content.decode()


def test_a_search_narrows_by_title_and_requisition_id(connect, cast: Cast, sign_in) -> None:
    connect()
    sam = sign_in(cast.sam)
    job = Job.objects.filter(status="open", confidential=False).exclude(requisition_id="").first()
    for words in (job.name[:6].lower(), job.requisition_id, str(job.remote_id)):
        page = sam.get(LIST, {"q": words})
        assert job.name in page.content.decode()
    nothing = sam.get(LIST, {"q": "no such requisition"})
    assert "Nothing fits" in nothing.content.decode()


def test_a_search_does_not_reveal_a_job_one_may_not_see(connect, cast: Cast, sign_in) -> None:
    connect()
    hidden = Job.objects.filter(confidential=True, status="open").first()
    page = sign_in(cast.sam).get(LIST, {"q": str(hidden.remote_id)}).content.decode()
    assert hidden.name not in page


def test_htmx_gets_the_table_alone_and_a_history_restore_the_whole_page(
    connect, cast: Cast, sign_in
) -> None:
    connect()
    sam = sign_in(cast.sam)
    part = sam.get(LIST, HTTP_HX_REQUEST="true").content.decode()
    assert "<html" not in part
    assert 'id="job-table"' in part
    restored = sam.get(
        LIST, HTTP_HX_REQUEST="true", HTTP_HX_HISTORY_RESTORE_REQUEST="true"
    ).content.decode()
    assert "<html" in restored
