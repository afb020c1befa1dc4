"""Why can't I see it: everybody is told what they may know, and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from portal.entitlements.asking import Told, ask_as_admin, ask_as_staff, ask_for_oneself
from portal.mirror.models import AtsRole, AtsUser, AtsUserEmail, Job, SyncRun
from tests.cast import Cast
from tests.factories import ConnectionFactory
from tests.portal.entitlements import world

SECRET = "Secret takeover lawyer"


@pytest.fixture
def acme(cast: Cast):
    made = ConnectionFactory(organization=cast.ada.organization, state="live")
    world.user(made, "ada@acme.example", site_admin=True)
    world.user(made, "remy@acme.example", name="Remy Laurent")
    return made


@pytest.fixture
def hidden(acme) -> Job:
    return world.job(acme, SECRET, confidential=True, requisition_id="REQ-900")


def _said(told: list[Told]) -> str:
    return " ".join(step.words for one in told for step in one.decision.steps)


def _user(acme, address: str) -> AtsUser:
    return AtsUserEmail.objects.get(address=address, user__connection=acme).user


def test_a_granted_job_is_explained_with_its_role_since_when_and_as_of(acme, cast: Cast) -> None:
    job = world.job(acme, "Nurse")
    AtsRole.objects.create(connection=acme, remote_id=5, name="Job Admin: Standard", type="x")
    grant = world.grant(_user(acme, "remy@acme.example"), job)
    grant.role_remote_id = 5
    grant.first_seen_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    grant.save()
    read = datetime(2026, 11, 20, 8, tzinfo=UTC)
    for scope, at in (("people", read), ("recent", read + timedelta(hours=1))):  # not who may see
        SyncRun.objects.create(connection=acme, scope=scope, status="done", started_at=at)
    (told,) = ask_for_oneself(cast.remy, "nurse")
    assert told.decision.seen
    words = _said([told])
    assert "by remy@acme.example, the primary address" in words
    assert "Job Admin: Standard" in words
    assert "The requisition is open" in words
    moments = {step.words: step.at for step in told.decision.steps if step.at}
    granted = "grants this requisition as Job Admin, in the role “Job Admin: Standard”"
    assert moments == {
        f"Greenhouse {granted}. First seen here on": grant.first_seen_at,
        "People and their access were last read from Greenhouse on": read,
    }


@pytest.mark.parametrize(
    "pasted",
    [
        "{id}",
        " REQ-900 ",
        SECRET,
        "https://app.greenhouse.io/sdash/{id}",
        "https://app2.greenhouse.io/plans/{id}/edit?x=1",
    ],
)
def test_a_recruiter_gets_one_answer_for_hidden_and_for_missing(
    acme, hidden: Job, cast: Cast, pasted: str
) -> None:
    asked = pasted.format(id=hidden.remote_id)
    missing = pasted.format(id=hidden.remote_id + 77).replace("900", "901").replace("Secret", "Xx")
    with CaptureQueriesContext(database) as for_hidden:
        about_hidden = ask_for_oneself(cast.remy, asked)
    with CaptureQueriesContext(database) as for_missing:
        about_missing = ask_for_oneself(cast.remy, missing)
    assert about_hidden == about_missing
    assert len(for_hidden) == len(for_missing)
    assert about_hidden[0].job is None
    assert SECRET not in _said(about_hidden)


@pytest.mark.parametrize(
    "pasted",
    ["{id}", "REQ-900", "https://app.greenhouse.io/sdash/{id}", "takeover"],
)
def test_who_may_see_it_finds_it_by_whatever_they_paste(
    acme, hidden: Job, cast: Cast, pasted: str
) -> None:
    world.grant(_user(acme, "remy@acme.example"), hidden)
    (told,) = ask_for_oneself(cast.remy, pasted.format(id=hidden.remote_id))
    assert told.job == hidden
    assert told.decision.seen


def test_an_admin_is_told_why_a_colleague_does_not_see_a_job(acme, cast: Cast) -> None:
    job = world.job(acme, "Nurse")
    world.place(_user(acme, "remy@acme.example"), job)
    (told,) = ask_as_admin(cast.ada, cast.remy, str(job.remote_id))
    assert not told.decision.seen
    words = _said([told])
    assert "no grant of this requisition" in words
    assert "On the hiring team as recruiter. In Greenhouse that is no right" in words
    assert told.decision.way is not None
    assert "Make the account a Job Admin" in told.decision.way.change


def test_an_admin_learns_nothing_of_a_confidential_job_they_do_not_see(
    acme, hidden: Job, cast: Cast
) -> None:
    world.grant(_user(acme, "remy@acme.example"), hidden)
    (told,) = ask_as_admin(cast.ada, cast.remy, str(hidden.remote_id))
    assert told.job is None
    assert told == ask_as_admin(cast.ada, cast.remy, str(hidden.remote_id + 77))[0]


def test_an_admin_asks_about_their_own_people_only(acme, cast: Cast) -> None:
    with pytest.raises(ValueError, match="own organization"):
        ask_as_admin(cast.zoe, cast.remy, "nurse")
    with pytest.raises(ValueError, match="own organization"):
        ask_as_admin(cast.sam, cast.remy, "nurse")


def test_customer_success_is_told_no_name_of_a_confidential_job(
    acme, hidden: Job, cast: Cast
) -> None:
    (told,) = ask_as_staff(cast.remy, str(hidden.remote_id))
    assert told.job == hidden
    assert not told.named
    assert "confidential" in _said([told])
    assert ask_as_staff(cast.remy, SECRET)[0].job is None


def test_another_organization_finds_nothing(acme, cast: Cast) -> None:
    job = world.job(acme, "Nurse")
    (told,) = ask_for_oneself(cast.zoe, str(job.remote_id))
    assert told.job is None
    (told,) = ask_as_admin(cast.zoe, cast.zoe, "nurse")
    assert told.job is None


@pytest.mark.parametrize(
    "pasted", ["", "   ", "x" * 5000, "9" * 40, "https://greenhouse.io/sdash/"]
)
def test_whatever_is_pasted_gets_an_answer(acme, cast: Cast, pasted: str) -> None:
    (told,) = ask_for_oneself(cast.remy, pasted)
    assert told.job is None
    assert told.decision.way is not None
