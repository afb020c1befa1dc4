"""A name is found however it is typed, on every database."""

from __future__ import annotations

import pytest

from portal.core.names.search_keys import build_search_key, match_name
from portal.sync.models import Candidate
from tests.factories import ConnectionFactory

NAMES = {
    "obrien": ("Sean", "O’Brien"),
    "garcia": ("José", "García López"),
    "li": ("小龙", "李"),
    "lukasz": ("Łukasz", "Żółć"),
    "soren": ("Søren", "Ångström"),
    "muller": ("Jean-Luc", "Müller"),
    "petr": ("ПЁТР", "Йонов"),
    "isik": ("İbrahim", "Işık"),
    "strasse": ("Anna", "Straße"),
    "kim": ("가나", "김"),
    "nguyen": ("Nguyễn", "Thị Ánh"),
    "ali": ("مُحَمَّد", "علي"),
}
TYPED = [
    ("O'Brien", "obrien"), ("o’brien sean", "obrien"), ("OBRIEN", "obrien"), ("o`brien", "obrien"),
    ("Garcia, Jose", "garcia"), ("jose\u0301 garci\u0301a", "garcia"),
    (" GARCÍA,  José ", "garcia"),
    ("lopez jose", "garcia"),
    ("李小龙", "li"), ("小龙", "li"), ("李 小龙", "li"),
    ("lukasz", "lukasz"), ("ŁUKASZ ŻÓŁĆ", "lukasz"), ("zolc", "lukasz"),
    ("soren angstrom", "soren"), ("Soeren", "soren"), ("SØREN", "soren"),
    ("mueller", "muller"), ("Muller jean luc", "muller"), ("jeanluc", "muller"),
    ("MÜLLER", "muller"),
    ("петр", "petr"), ("пётр ионов", "petr"), ("isik ibrahim", "isik"), ("IŞIK", "isik"),
    ("STRASSE", "strasse"), ("straße", "strasse"), ("김가나", "kim"), ("nguyen thi anh", "nguyen"),
    ("محمد علي", "ali"), ("sean\u200b", "obrien"), ("Ｓｅａｎ", "obrien"),
]  # fmt: skip


@pytest.fixture
def candidates(db: None) -> None:
    connection = ConnectionFactory()
    Candidate.objects.bulk_create(
        Candidate(connection=connection, remote_id=n, first_name=first, last_name=last)
        for n, (first, last) in enumerate(NAMES.values())
    )


def test_name_found_however_typed(candidates: None) -> None:
    for typed, expected in TYPED:
        matches = Candidate.objects.filter(match_name("search_name", typed))
        assert [(c.first_name, c.last_name) for c in matches] == [NAMES[expected]], typed


@pytest.mark.parametrize("typed", ["", " ", "'", ",;-", "%", "_", "\u200b", "sean garcia", "\\"])
def test_nothing_matches_no_name(candidates: None, typed: str) -> None:
    assert not Candidate.objects.filter(match_name("search_name", typed)).exists()


def test_search_key_follows_renaming(candidates: None) -> None:
    candidate = Candidate.objects.get(last_name="O’Brien")
    candidate.last_name = "Ólafs"
    candidate.save()
    assert Candidate.objects.get(match_name("search_name", "olafs")) == candidate


def test_search_key_is_bounded() -> None:
    assert len(build_search_key("ﷺ" * 200, "ä-" * 100)) <= 1000
