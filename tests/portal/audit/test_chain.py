"""Whoever changes the record behind the portal's back is found out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction

from portal.accounts.models import Organization
from portal.audit.models import Entry
from portal.audit.protect import protect, unprotect
from portal.audit.record import record
from tests.cast import Cast


@pytest.fixture
def unprotected(transactional_db: None) -> None:
    """The database's own refusal is switched off, as somebody with its keys could (conftest)."""


@pytest.fixture
def protected(transactional_db: None) -> Iterator[None]:
    protect(connection)
    yield
    unprotect(connection)


@pytest.fixture
def acme(cast: Cast) -> Organization:
    """With five entries, between those of others."""
    organization = cast.ada.organization
    for number in range(1, 6):
        record("a.deed", f"did thing {number}", organization=organization, by=cast.ada.user)
        record("a.deed", "did it, too", organization=cast.zoe.organization, by=cast.zoe.user)
        record("a.deed", "did it all alone", organization=None, after={"number": number})
    return organization


def _sql(text: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, values)


def _check(*arguments: str) -> str:
    out = StringIO()
    call_command("audit_check", *arguments, stdout=out)
    return out.getvalue()


def test_an_untouched_record_is_whole(acme: Organization) -> None:
    said = _check()
    assert f"organization {acme.pk}: 5 entries" in said
    assert "the portal itself: 5 entries" in said
    assert "The record is whole." in said


TAMPERING = {
    "a word is changed": ("UPDATE audit_entry SET words = 'did nothing' WHERE id = %s", 3, 3),
    "somebody else did it": ("UPDATE audit_entry SET by_id = 0 WHERE id = %s", 2, 2),
    "an entry is removed": ("DELETE FROM audit_entry WHERE id = %s", 2, 2),
    "the first is removed": ("DELETE FROM audit_entry WHERE id = %s", 1, 1),
    "the last is removed": ("DELETE FROM audit_entry WHERE id = %s", 5, 5),
    "a seal is made up": ("UPDATE audit_entry SET seal = 'beef' WHERE id = %s", 4, 4),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_told_with_its_place(unprotected: None, acme: Organization, how: str) -> None:
    sql, place, told = TAMPERING[how]
    ids = list(Entry.objects.filter(organization=acme).order_by("id").values_list("pk", flat=True))
    _sql(sql, ids[place - 1])
    with pytest.raises(CommandError) as alarm:
        _check()
    assert f"organization {acme.pk} is broken at entry {told}:" in str(alarm.value)
    assert len(str(alarm.value).splitlines()) == 1, "the others' chains hold"


def test_an_entry_that_was_slipped_in_is_told(unprotected: None, acme: Organization) -> None:
    last = Entry.objects.filter(organization=acme).first()
    forged = Entry(
        organization=acme, by_words="Ada", verb="a.deed", words="x", number=6, seal=last.seal
    )
    forged.save()
    with pytest.raises(CommandError, match="broken at entry 6"):
        _check()


def test_a_whole_chain_that_is_gone_is_told(unprotected: None, acme: Organization) -> None:
    _sql("DELETE FROM audit_entry WHERE organization_id = %s", acme.pk)
    with pytest.raises(CommandError, match="the last 5 are missing"):
        _check()


def test_a_chain_without_its_end_is_told(acme: Organization) -> None:
    _sql("DELETE FROM audit_chain WHERE organization_id = %s", acme.pk)
    with pytest.raises(CommandError, match="the chain's end does not know it"):
        _check()


def test_one_organizations_chain_can_be_checked_alone(
    unprotected: None, cast: Cast, acme: Organization
) -> None:
    _sql("UPDATE audit_entry SET words = 'x' WHERE organization_id = %s", acme.pk)
    assert "The record is whole." in _check("--organization", cast.zoe.organization.slug)
    with pytest.raises(CommandError, match="broken"):
        _check("--organization", acme.slug)
    with pytest.raises(CommandError, match="no organization"):
        _check("--organization", "nobody")


def test_without_the_old_key_old_entries_do_not_fit(acme: Organization, settings) -> None:
    settings.AUDIT_KEYS = ["new", *settings.AUDIT_KEYS]
    record("a.deed", "under the new key", organization=acme)
    assert "The record is whole." in _check()
    settings.AUDIT_KEYS = ["new"]
    with pytest.raises(CommandError, match="broken at entry 1"):
        _check()


def test_values_survive_the_database_as_they_were_sealed(cast: Cast) -> None:
    odd = {"z": [1, 2.5, None, True], "a": {"ü": "“x”"}, "n": 2**53, "e": ""}
    record("a.deed", "did ü", organization=cast.ada.organization, before=odd, after={})
    assert json.dumps(Entry.objects.get().before, sort_keys=True) == json.dumps(odd, sort_keys=True)
    assert "The record is whole." in _check()


def test_the_database_itself_refuses(protected: None, acme: Organization) -> None:
    for attempt in (
        "UPDATE audit_entry SET words = 'did nothing'",
        "DELETE FROM audit_entry",
    ):
        with pytest.raises(DatabaseError, match="written once"), transaction.atomic():
            _sql(attempt)
    assert Entry.objects.filter(organization=acme).count() == 5


def test_many_writers_at_once_make_one_chain(cast: Cast) -> None:
    acme = cast.ada.organization
    together = threading.Barrier(4)

    def write() -> None:
        try:
            together.wait()
            for _ in range(5):
                record("a.deed", "did it at once", organization=acme)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    numbers = Entry.objects.filter(organization=acme).order_by("number")
    assert list(numbers.values_list("number", flat=True)) == list(range(1, 21))
    assert "The record is whole." in _check()
