"""Searching the list for a person: whoever may not see them learns nothing, not even by a count."""

from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.db import connection as database

from portal.mirror.models import Job
from tests.cast import Cast, gather
from tests.portal.entitlements import world

LIST = "/requisitions/"


@pytest.fixture
def cast(db: None) -> Cast:
    return gather()


@pytest.fixture
def jobs(acme, sam, remy) -> dict[str, Job]:
    """Remy is granted the cook's alone; Sam sees all but the spy's."""
    made = {
        "Cook": world.job(acme, "Cook"),
        "Nurse": world.job(acme, "Nurse"),
        "Surgeon": world.job(acme, "Surgeon", status="closed"),
        "Spy": world.job(acme, "Spy", confidential=True),
    }
    for title, name in (("Nurse", "Li Wu"), ("Surgeon", "Åsa Öberg"), ("Spy", "Nora Naylor")):
        world.application(made[title], world.candidate(acme, name))
    world.application(made["Nurse"], world.candidate(acme, "Pia Private", private=True))
    world.application(made["Nurse"], world.candidate(acme, "Gus Gone", gone=True))
    for name in ("Nora Naylor", "Norbert Nash", "Norah Nair", "Norma Nye"):
        world.application(made["Cook"], world.candidate(acme, name), status="rejected")
    world.grant(remy, made["Cook"])
    return made


def _page(client, words: str, **more: str):
    return client.get(LIST, {"q": words, **more})


def _text(page) -> str:
    """What the page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", "", page.content.decode()).split())


def _found(client, words: str, **more: str) -> list[str]:
    page = _page(client, words, **more)
    return [row.job.name for row in page.context.get("rows", [])]


@pytest.mark.parametrize(
    ("words", "for_sam", "for_remy"),
    [
        ("naylor", ["Cook"], ["Cook"]),  # and nobody hears of the spy
        ("NORA NAY", ["Cook"], ["Cook"]),
        ("li wu", ["Nurse"], []),
        ("wu", [], []),  # too short to be looked for among people
        ("pia private", [], []),
        ("private", [], []),
        ("gus gone", [], []),
        ("naylor nora", [], []),
        ("nor_", [], []),
    ],
)
def test_a_candidate_is_found_by_who_sees_the_application(
    jobs, cast: Cast, sign_in, words: str, for_sam: list[str], for_remy: list[str]
) -> None:
    assert _found(sign_in(cast.sam), words) == for_sam
    assert _found(sign_in(cast.remy), words) == for_remy
    assert _found(sign_in(cast.zoe), words) == []


def test_a_closed_requisition_is_found_by_its_candidates_among_the_closed_ones(
    jobs, cast: Cast, sign_in
) -> None:
    client = sign_in(cast.sam)
    assert _found(client, "Åsa Ö", status="closed") == ["Surgeon"]
    assert _found(client, "Åsa Ö") == []


def test_a_row_says_for_whom_it_was_found(jobs, cast: Cast, sign_in) -> None:
    client = sign_in(cast.sam)
    assert "Candidate: Nora Naylor" in _text(_page(client, "naylor"))
    # In the order of their last names; whoever comes after the third is only counted.
    many = "Candidates: Norah Nair, Norbert Nash, Nora Naylor and 1 more"
    assert many in _text(_page(client, "nor"))
    # A closed requisition's page shows no applications to lead to.
    assert "Candidate: Åsa Öberg" in _page(client, "berg", status="closed").content.decode()


def test_a_found_candidate_leads_to_their_application_alone(jobs, cast: Cast, sign_in) -> None:
    client = sign_in(cast.sam)
    found = _page(client, "naylor").content.decode()
    address = re.search(r'href="([^"]+#applications)">Nora Naylor</a>', found)
    assert address
    page = client.get(address[1].split("#")[0])
    assert [str(row.application.candidate) for row in page.context["rows"]] == ["Nora Naylor"]
    assert "Only Nora Naylor is shown." in _text(page)
    assert 'href="?status=rejected">Show all rejected ones' in page.content.decode()


@pytest.mark.parametrize("asked", ["{of_another}", "{private}", "99999999999999999999", "-1", "٣"])
def test_no_other_application_is_shown_by_its_key(jobs, cast: Cast, sign_in, asked: str) -> None:
    keys = {
        "of_another": jobs["Cook"].applications.first().pk,
        "private": jobs["Nurse"].applications.get(candidate__private=True).pk,
    }
    address = f"{LIST}{jobs['Nurse'].pk}/?application={asked.format(**keys)}"
    page = sign_in(cast.sam).get(address)
    assert page.context["alone"] is None
    assert [str(row.application.candidate) for row in page.context["rows"]] == ["Li Wu"]


def test_where_candidates_may_not_be_read_nobody_is_found_by_an_old_name(
    acme, jobs, cast: Cast, sign_in
) -> None:
    world.checked(acme, missing=(world.CANDIDATES,))
    page = _page(sign_in(cast.sam), "naylor")
    assert page.context["rows"] == []
    assert "Nora" not in page.content.decode()


def test_the_answer_about_somebody_hidden_is_the_one_about_nobody(
    jobs, cast: Cast, sign_in
) -> None:
    for who in (cast.sam, cast.remy):
        client = sign_in(who)
        for hidden in ("pia private", "gus gone"):
            answers = [
                _page(client, words, **more).content.decode().replace(words, "…")
                for words in (hidden, "xyz xyzxyz")
                for more in ({}, {"status": "closed"})
            ]
            assert _lines(answers[0]) == _lines(answers[2])
            assert _lines(answers[1]) == _lines(answers[3])


def _lines(page: str) -> list[str]:
    """What stands on a page, without what differs each time."""
    page = page.replace("+", "%20")
    return [line for line in page.splitlines() if "csrf" not in line.lower() and "q=" not in line]


def test_an_operator_makes_the_indexes_later_where_the_database_has_any(db: None, capsys) -> None:
    call_command("make_search_indexes")
    said = capsys.readouterr().out
    if database.vendor != "postgresql":
        assert "Only PostgreSQL" in said
        return
    assert "has its indexes" in said
    with database.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE '%trigrams'")
        assert len(cursor.fetchall()) == 4
