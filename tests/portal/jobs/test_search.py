"""Searching requisitions by candidate without revealing hidden candidates."""

from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.db import connection as database
from django.http import HttpResponse

from portal.jobs.job_list import search
from portal.sync.models import Job, Office
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data
from tests.stable_page import read_stable_page

LIST = "/requisitions/"


@pytest.fixture
def personas(db: None) -> Personas:
    return create_personas()


@pytest.fixture
def jobs(acme, sam, remy) -> dict[str, Job]:
    """Remy is granted the Cook job only; Sam sees all but the confidential Spy job."""
    made = {
        "Cook": synced_data.create_job(acme, "Cook"),
        "Nurse": synced_data.create_job(acme, "Nurse"),
        "Surgeon": synced_data.create_job(acme, "Surgeon", status="closed"),
        "Spy": synced_data.create_job(acme, "Spy", confidential=True),
    }
    for title, name in (("Nurse", "Li Wu"), ("Surgeon", "Åsa Öberg"), ("Spy", "Nora Naylor")):
        synced_data.create_application(made[title], synced_data.create_candidate(acme, name))
    synced_data.create_application(
        made["Nurse"], synced_data.create_candidate(acme, "Pia Private", private=True)
    )
    synced_data.create_application(
        made["Nurse"], synced_data.create_candidate(acme, "Gus Gone", gone=True)
    )
    for name in ("Nora Naylor", "Norbert Nash", "Norah Nair", "Norma Nye"):
        synced_data.create_application(
            made["Cook"], synced_data.create_candidate(acme, name), status="rejected"
        )
    synced_data.create_grant(remy, made["Cook"])
    return made


def _search(client, query: str, **more: str):
    return client.get(LIST, {"q": query, **more})


def _text(page) -> str:
    """The text of the page without its tags."""
    return " ".join(re.sub(r"<[^>]+>", "", page.content.decode()).split())


def _find_jobs(client, query: str, **more: str) -> list[str]:
    page = _search(client, query, **more)
    return [row.job.name for row in page.context.get("rows", [])]


@pytest.mark.parametrize(
    ("query", "for_sam", "for_remy"),
    [
        ("naylor", ["Cook"], ["Cook"]),  # never the confidential job
        ("NORA NAY", ["Cook"], ["Cook"]),
        ("li wu", ["Nurse"], []),
        ("wu", [], []),  # too short for a search by candidate
        ("pia private", [], []),
        ("private", [], []),
        ("gus gone", [], []),
        ("naylor nora", ["Cook"], ["Cook"]),
        ("  Naylor,   Nora ", ["Cook"], ["Cook"]),
        ("nor_lash", [], []),
        ("'", [], []),
        (",;-", [], []),
        ("\u3164", [], []),
    ],
)
def test_search_finds_only_visible_candidates(
    jobs, personas: Personas, sign_in, query: str, for_sam: list[str], for_remy: list[str]
) -> None:
    assert _find_jobs(sign_in(personas.sam), query) == for_sam
    assert _find_jobs(sign_in(personas.remy), query) == for_remy
    assert _find_jobs(sign_in(personas.zoe), query) == []


@pytest.mark.parametrize(
    "query",
    [
        "zurich",
        "ZÜRICH",
        "zuerich",
        "nurse zurich",
        "zürich  nights",
        "nights   senior",
        "req-7 nig",
        "t s",  # too short for words of a title, so compared as typed
        "senior nurse nights zurich west req-7",
        "nights senior nurse zurich west req-7 and words after the sixth",
    ],
)
def test_search_words_in_any_order_and_field(
    acme, sam, personas: Personas, sign_in, query: str
) -> None:
    job = synced_data.create_job(acme, "Senior Nurse, nights", requisition_id="REQ-7")
    job.offices.add(Office.objects.create(connection=acme, remote_id=1, name="Zürich West"))
    synced_data.create_job(acme, "Nurse, days", requisition_id="REQ-8")
    assert _find_jobs(sign_in(personas.sam), query) == ["Senior Nurse, nights"]


def test_broad_search_finds_only_visible_jobs(
    jobs, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MANY_JOBS", 1)
    for query, for_sam in (("o", ["Cook"]), ("r", ["Nurse"]), ("e", ["Nurse"]), ("s", ["Nurse"])):
        assert _find_jobs(sign_in(personas.sam), query) == for_sam, query
    assert _find_jobs(sign_in(personas.remy), "o") == ["Cook"]
    assert _find_jobs(sign_in(personas.remy), "r") == []
    assert _find_jobs(sign_in(personas.remy), "s") == []


def test_spread_words_need_one_candidate_name(acme, sam, personas: Personas, sign_in) -> None:
    job = synced_data.create_job(acme, "Cook")
    for name in ("Nora Nash", "Lea Naylor"):
        synced_data.create_application(job, synced_data.create_candidate(acme, name))
    client = sign_in(personas.sam)
    assert _find_jobs(client, "naylor lea") == ["Cook"]
    assert _find_jobs(client, "nora naylor") == []


def test_search_finds_closed_job_by_candidate(jobs, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    assert _find_jobs(client, "Åsa Ö", status="closed") == ["Surgeon"]
    assert _find_jobs(client, "Åsa Ö") == []


def test_search_row_names_matching_candidates(jobs, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    assert "Candidate: Nora Naylor" in _text(_search(client, "naylor"))
    # Ordered by last name; candidates after the third are only counted.
    summary = "Candidates: Norah Nair, Norbert Nash, Nora Naylor and 1 more"
    assert summary in _text(_search(client, "nor"))
    assert "Candidate: Åsa Öberg" in _text(_search(client, "berg", status="closed"))


def test_search_result_links_to_one_application(jobs, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    results = _search(client, "naylor").content.decode()
    address = re.search(r'href="/applications/(\d+)/">Nora Naylor</a>', results)
    assert address
    page = client.get(f"{LIST}{jobs['Cook'].pk}/?application={address[1]}")
    assert [str(row.application.candidate) for row in page.context["rows"]] == ["Nora Naylor"]
    assert "Showing only Nora Naylor." in _text(page)
    assert 'href="?status=rejected">Show all rejected' in page.content.decode()


@pytest.mark.parametrize("key", ["{of_other_job}", "{private}", "99999999999999999999", "-1", "٣"])
def test_application_parameter_ignores_foreign_keys(
    jobs, personas: Personas, sign_in, key: str
) -> None:
    keys = {
        "of_other_job": jobs["Cook"].applications.first().pk,
        "private": jobs["Nurse"].applications.get(candidate__private=True).pk,
    }
    address = f"{LIST}{jobs['Nurse'].pk}/?application={key.format(**keys)}"
    page = sign_in(personas.sam).get(address)
    assert page.context["linked_application"] is None
    assert [str(row.application.candidate) for row in page.context["rows"]] == ["Li Wu"]


def test_search_needs_candidate_permission(acme, jobs, personas: Personas, sign_in) -> None:
    synced_data.record_check(acme, missing=(synced_data.CANDIDATES,))
    page = _search(sign_in(personas.sam), "naylor")
    assert page.context["rows"] == []
    assert "Nora" not in page.content.decode()


def test_hidden_candidate_looks_like_no_match(jobs, personas: Personas, sign_in) -> None:
    for member in (personas.sam, personas.remy):
        client = sign_in(member)
        for more in ({}, {"status": "closed"}):
            no_match, *hidden = [
                _stable_lines(_search(client, query, **more), query)
                for query in ("xyz xyzxyz", "pia private", "gus gone")
            ]
            assert hidden == [no_match, no_match]


def _stable_lines(response: HttpResponse, query: str) -> list[str]:
    page = read_stable_page(response).replace(query, "…")
    return [line for line in page.splitlines() if "q=" not in line.lower()]


def test_search_index_command_creates_indexes(db: None, capsys) -> None:
    call_command("create_search_indexes")
    output = capsys.readouterr().out
    if database.vendor != "postgresql":
        assert "need PostgreSQL" in output
        return
    assert "indexes are in place" in output
    with database.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE '%trigrams'")
        assert len(cursor.fetchall()) == 5


@pytest.mark.parametrize(
    ("first", "last", "queries"),
    [
        ("Sean", "O’Brien", ("O'Brien", "obrien", "O’BRIEN  sean")),
        ("José", "García", ("García, José", "garcia jose", "JOSÉ", "jose\u0301")),
        ("小龙", "李", ("李小龙", "小龙 李")),
        ("Łukasz", "Øst", ("lukasz", "ŁUKASZ", "ost lukasz")),
    ],
)
def test_candidate_found_however_typed(
    acme, jobs, personas: Personas, sign_in, first: str, last: str, queries: tuple[str, ...]
) -> None:
    candidate = synced_data.create_candidate(acme, f"{first} {last}")
    synced_data.create_application(jobs["Nurse"], candidate)
    client = sign_in(personas.sam)
    for query in queries:
        assert _find_jobs(client, query) == ["Nurse"], query


def test_team_and_title_found_however_typed(acme, jobs, personas: Personas, sign_in) -> None:
    recruiter = synced_data.create_user(acme, name="Zoë D’Arc")
    synced_data.create_team_member(recruiter, jobs["Cook"])
    synced_data.create_job(acme, "Ärztin (C++)")
    client = sign_in(personas.sam)
    for query, title in (
        ("d'arc, ZOE", "Cook"),
        ("ÄRZTIN", "Ärztin (C++)"),
        ("c++", "Ärztin (C++)"),
    ):
        assert _find_jobs(client, query) == [title], query


def test_nameless_candidate_shown_by_id(acme, jobs, personas: Personas, sign_in) -> None:
    candidate = synced_data.create_candidate(acme, "\u200b \u3164")
    synced_data.create_application(jobs["Nurse"], candidate)
    page = sign_in(personas.sam).get(f"{LIST}{jobs['Nurse'].pk}/").content.decode()
    assert f"No name ({candidate.remote_id})" in page
