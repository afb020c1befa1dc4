"""Names from Greenhouse are stored on one line, with their search keys."""

from __future__ import annotations

import pytest

from integrations.ats import types as ats
from portal.connections.models import Connection
from portal.core.names.search_keys import match_keys, match_name
from portal.sync.models import AtsUser, Candidate, Job, Office
from portal.sync.records import candidate_erasure
from portal.sync.writers.application_records import write_candidates
from portal.sync.writers.job_records import write_jobs
from portal.sync.writers.reference_records import write_offices
from portal.sync.writers.user_records import write_users
from tests.factories import ConnectionFactory


@pytest.fixture
def connection(db: None) -> Connection:
    return ConnectionFactory(state=Connection.State.LIVE)


def _write_candidate(connection: Connection, first: str, last: str) -> Candidate:
    write_candidates(connection, [ats.Candidate(id=7, first_name=first, last_name=last)])
    return Candidate.objects.get(connection=connection, remote_id=7)


def test_candidate_key_follows_greenhouse(connection: Connection) -> None:
    candidate = _write_candidate(connection, "José\n", "O’Brien\u202e")
    assert str(candidate) == "José O’Brien"
    assert Candidate.objects.filter(match_name("search_name", "obrien, jose")).exists()
    _write_candidate(connection, "Łukasz", "Żak")
    assert not Candidate.objects.filter(match_name("search_name", "obrien")).exists()
    assert Candidate.objects.filter(match_name("search_name", "zak lukasz")).exists()


def test_erased_candidate_has_no_key(connection: Connection) -> None:
    _write_candidate(connection, "José", "Brien")
    assert _write_candidate(connection, "", "").search_name == ""
    _write_candidate(connection, "José", "Brien")
    candidate_erasure.erase_candidates(connection, [7])
    assert Candidate.objects.get(remote_id=7).search_name == ""


def test_company_and_title_key_is_erased_with_them(connection: Connection) -> None:
    def write(first: str) -> Candidate:
        details = {"company": "Krüger & Söhne", "title": "Nurse"}
        write_candidates(
            connection, [ats.Candidate(id=7, first_name=first, last_name="", **details)]
        )
        return Candidate.objects.get(connection=connection, remote_id=7)

    write("José")
    match = match_keys(("search_name", "search_details"), "kruger jose")
    assert Candidate.objects.filter(match).exists()
    assert write("").search_details == ""
    write("José")
    candidate_erasure.erase_candidates(connection, [7])
    assert Candidate.objects.get(remote_id=7).search_details == ""


def test_office_key_follows_greenhouse(connection: Connection) -> None:
    write_offices(connection, [ats.Office(id=1, name="Zürich")])
    assert Office.objects.get(match_name("search_name", "zurich")).remote_id == 1


def test_invisible_candidate_is_not_erased(connection: Connection) -> None:
    candidate = _write_candidate(connection, "\u202e", "\u200b")
    assert (candidate.erased_at, str(candidate)) == (None, "No name (7)")


def test_titles_are_never_empty(connection: Connection) -> None:
    write_jobs(
        connection,
        [
            ats.Job(id=1, name="\u3164", status="open"),
            ats.Job(id=2, name="Senior\nNurse", status="open"),
        ],
    )
    names = dict(Job.objects.values_list("remote_id", "name"))
    assert names == {1: "No name (1)", 2: "Senior Nurse"}
    assert Job.objects.get(match_name("search_name", "nurse senior")).remote_id == 2


def test_user_key_follows_greenhouse(connection: Connection) -> None:
    names = {3: "Søren\tBerg", 4: "\u200b"}
    write_users(
        connection, [ats.User(id=n, name=name, primary_email=None) for n, name in names.items()]
    )
    assert str(AtsUser.objects.get(match_name("search_name", "soren"))) == "Søren Berg"
    assert str(AtsUser.objects.get(remote_id=4)) == "No name (4)"
