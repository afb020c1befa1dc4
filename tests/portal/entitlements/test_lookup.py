"""Explanations of visibility reveal only what the person asking may know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from portal.entitlements.lookup import (
    AccessAnswer,
    explain_access_to_admin,
    explain_access_to_staff,
    explain_own_access,
)
from portal.sync.models import AtsRole, AtsUser, AtsUserEmail, Job, SyncRun
from tests.factories import ConnectionFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data

SECRET = "Secret takeover lawyer"


@pytest.fixture
def acme(personas: Personas):
    connection = ConnectionFactory(organization=personas.ada.organization, state="live")
    synced_data.create_user(connection, "ada@acme.example", site_admin=True)
    synced_data.create_user(connection, "remy@acme.example", name="Remy Laurent")
    return connection


@pytest.fixture
def hidden(acme) -> Job:
    return synced_data.create_job(acme, SECRET, confidential=True, requisition_id="REQ-900")


def _join_steps(answers: list[AccessAnswer]) -> str:
    return " ".join(step.text for answer in answers for step in answer.decision.steps)


def _find_user(acme, address: str) -> AtsUser:
    return AtsUserEmail.objects.get(address=address, user__connection=acme).user


def test_granted_job_explained_with_role_and_times(acme, personas: Personas) -> None:
    job = synced_data.create_job(acme, "Nurse")
    AtsRole.objects.create(connection=acme, remote_id=5, name="Job Admin: Standard", type="x")
    grant = synced_data.create_grant(_find_user(acme, "remy@acme.example"), job)
    grant.role_remote_id = 5
    grant.first_seen_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    grant.save()
    read_at = datetime(2026, 11, 20, 8, tzinfo=UTC)
    for scope, started_at in (
        ("people", read_at),
        ("recent", read_at + timedelta(hours=1)),
    ):  # only the first syncs access
        SyncRun.objects.create(connection=acme, scope=scope, status="done", started_at=started_at)
    (answer,) = explain_own_access(personas.remy, "nurse")
    assert answer.decision.is_visible
    text = _join_steps([answer])
    assert "by the primary email remy@acme.example" in text
    assert "Job Admin: Standard" in text
    assert "The requisition is open" in text
    times = {step.text: step.at for step in answer.decision.steps if step.at}
    sentence = "Job Admin of this requisition (role “Job Admin: Standard”)"
    assert times == {
        f"{sentence}. First seen here on": grant.first_seen_at,
        "People and access last synced on": read_at,
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
def test_hidden_and_missing_jobs_answered_alike(
    acme, hidden: Job, personas: Personas, pasted: str
) -> None:
    query = pasted.format(id=hidden.remote_id)
    missing_query = (
        pasted.format(id=hidden.remote_id + 77).replace("900", "901").replace("Secret", "Xx")
    )
    with CaptureQueriesContext(database) as hidden_queries:
        hidden_answers = explain_own_access(personas.remy, query)
    with CaptureQueriesContext(database) as missing_queries:
        missing_answers = explain_own_access(personas.remy, missing_query)
    assert hidden_answers == missing_answers
    assert len(hidden_queries) == len(missing_queries)
    assert hidden_answers[0].job is None
    assert SECRET not in _join_steps(hidden_answers)


@pytest.mark.parametrize(
    "pasted",
    ["{id}", "REQ-900", "https://app.greenhouse.io/sdash/{id}", "takeover"],
)
def test_visible_job_found_by_any_reference(
    acme, hidden: Job, personas: Personas, pasted: str
) -> None:
    synced_data.create_grant(_find_user(acme, "remy@acme.example"), hidden)
    (answer,) = explain_own_access(personas.remy, pasted.format(id=hidden.remote_id))
    assert answer.job == hidden
    assert answer.decision.is_visible


def test_admin_gets_reason_for_colleague(acme, personas: Personas) -> None:
    job = synced_data.create_job(acme, "Nurse")
    synced_data.create_team_member(_find_user(acme, "remy@acme.example"), job)
    (answer,) = explain_access_to_admin(personas.ada, personas.remy, str(job.remote_id))
    assert not answer.decision.is_visible
    text = _join_steps([answer])
    assert "hasn't granted this account" in text
    assert "On the hiring team as recruiter. In Greenhouse, that alone gives no access" in text
    assert answer.decision.fix is not None
    assert "make the account a Job Admin" in answer.decision.fix.change


def test_admin_cannot_discover_confidential_job(acme, hidden: Job, personas: Personas) -> None:
    synced_data.create_grant(_find_user(acme, "remy@acme.example"), hidden)
    (answer,) = explain_access_to_admin(personas.ada, personas.remy, str(hidden.remote_id))
    assert answer.job is None
    assert (
        answer
        == explain_access_to_admin(personas.ada, personas.remy, str(hidden.remote_id + 77))[0]
    )


def test_admin_asks_only_about_own_organization(acme, personas: Personas) -> None:
    with pytest.raises(ValueError, match="own organization"):
        explain_access_to_admin(personas.zoe, personas.remy, "nurse")
    with pytest.raises(ValueError, match="own organization"):
        explain_access_to_admin(personas.sam, personas.remy, "nurse")


def test_staff_answer_omits_confidential_title(acme, hidden: Job, personas: Personas) -> None:
    (answer,) = explain_access_to_staff(personas.remy, str(hidden.remote_id))
    assert answer.job == hidden
    assert not answer.may_show_title
    assert "confidential" in _join_steps([answer])
    assert explain_access_to_staff(personas.remy, SECRET)[0].job is None


def test_job_not_found_from_other_organization(acme, personas: Personas) -> None:
    job = synced_data.create_job(acme, "Nurse")
    (answer,) = explain_own_access(personas.zoe, str(job.remote_id))
    assert answer.job is None
    (answer,) = explain_access_to_admin(personas.zoe, personas.zoe, "nurse")
    assert answer.job is None


@pytest.mark.parametrize(
    "pasted",
    ["", "   ", "x" * 5000, "9" * 40, "https://greenhouse.io/sdash/"],
    ids=["empty", "blank", "long", "huge_number", "bare_link"],
)
def test_unusable_query_still_answered(acme, personas: Personas, pasted: str) -> None:
    (answer,) = explain_own_access(personas.remy, pasted)
    assert answer.job is None
    assert answer.decision.fix is not None
