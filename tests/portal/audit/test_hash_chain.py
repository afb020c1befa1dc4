"""Changes to the audit log outside the portal are detected."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from portal.accounts.models import Organization
from portal.audit.append_only import install_triggers, remove_triggers
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.core.database.thread_connections import ThreadOwner
from tests.personas import Personas


@pytest.fixture
def unprotected(transactional_db: None) -> None:
    """The database trigger is off (see conftest), as an attacker with access could arrange."""


@pytest.fixture
def protected(transactional_db: None) -> Iterator[None]:
    install_triggers(connection)
    yield
    remove_triggers(connection)


@pytest.fixture
def acme(personas: Personas) -> Organization:
    """Acme with five entries, interleaved with entries of others."""
    organization = personas.ada.organization
    for number in range(1, 6):
        record_entry(
            "test.event", f"did thing {number}", organization=organization, by=personas.ada.user
        )
        record_entry(
            "test.event",
            "did it, too",
            organization=personas.zoe.organization,
            by=personas.zoe.user,
        )
        record_entry("test.event", "did it all alone", organization=None, after={"number": number})
    return organization


def _execute_sql(text: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, values)


def _run_audit_check(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit_log", *arguments, stdout=out)
    return out.getvalue()


def test_untouched_log_passes_check(acme: Organization) -> None:
    output = _run_audit_check()
    assert f"organization {acme.pk}: 5 entries" in output
    assert "the portal itself: 5 entries" in output
    assert "The record is whole." in output


TAMPERING = {
    "text_changed": ("UPDATE audit_entry SET description = 'did nothing' WHERE id = %s", 3, 3),
    "actor_changed": ("UPDATE audit_entry SET by_id = 0 WHERE id = %s", 2, 2),
    "entry_removed": ("DELETE FROM audit_entry WHERE id = %s", 2, 2),
    "first_removed": ("DELETE FROM audit_entry WHERE id = %s", 1, 1),
    "last_removed": ("DELETE FROM audit_entry WHERE id = %s", 5, 5),
    "seal_forged": ("UPDATE audit_entry SET seal = 'beef' WHERE id = %s", 4, 4),
    "seal_not_ascii": ("UPDATE audit_entry SET seal = 'é' WHERE id = %s", 4, 4),
}


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_reported_with_position(unprotected: None, acme: Organization, kind: str) -> None:
    sql, index, reported = TAMPERING[kind]
    ids = list(Entry.objects.filter(organization=acme).order_by("id").values_list("pk", flat=True))
    _execute_sql(sql, ids[index - 1])
    with pytest.raises(CommandError) as error:
        _run_audit_check()
    assert f"organization {acme.pk} is broken at entry {reported}:" in str(error.value)
    assert len(str(error.value).splitlines()) == 1, "only this organization's chain is broken"


def test_inserted_entry_detected(unprotected: None, acme: Organization) -> None:
    newest = Entry.objects.filter(organization=acme).first()
    forged = Entry(
        organization=acme,
        actor_label="Ada",
        verb="test.event",
        description="x",
        number=6,
        seal=newest.seal,
    )
    forged.save()
    with pytest.raises(CommandError, match="broken at entry 6"):
        _run_audit_check()


def test_swapped_ids_detected(unprotected: None, acme: Organization) -> None:
    ids = list(Entry.objects.filter(organization=acme).order_by("id").values_list("pk", flat=True))
    for old, new in ((ids[1], -1), (ids[3], ids[1]), (-1, ids[3])):
        _execute_sql("UPDATE audit_entry SET id = %s WHERE id = %s", new, old)
    with pytest.raises(CommandError, match="is broken at entry 3: it was moved"):
        _run_audit_check()


@pytest.mark.parametrize("number", [1, 6])
def test_entry_of_no_organization_id_detected(
    unprotected: None, acme: Organization, number: int
) -> None:
    genuine = Entry.objects.filter(organization=None).first()
    Entry(
        organization_id=0,
        actor_label="Ada",
        verb="test.event",
        description="x",
        number=number,
        seal=genuine.seal,
    ).save()
    with pytest.raises(CommandError, match="The chain of the portal is broken"):
        _run_audit_check()


def test_deleted_chain_detected(unprotected: None, acme: Organization) -> None:
    _execute_sql("DELETE FROM audit_entry WHERE organization_id = %s", acme.pk)
    with pytest.raises(CommandError, match="the last 5 are missing"):
        _run_audit_check()


def test_missing_chain_head_detected(acme: Organization) -> None:
    _execute_sql("DELETE FROM audit_chainhead WHERE organization_id = %s", acme.pk)
    with pytest.raises(CommandError, match="the chain's end does not know it"):
        _run_audit_check()


def test_check_can_target_one_organization(
    unprotected: None, personas: Personas, acme: Organization
) -> None:
    _execute_sql("UPDATE audit_entry SET description = 'x' WHERE organization_id = %s", acme.pk)
    assert "The record is whole." in _run_audit_check(
        "--organization", personas.zoe.organization.slug
    )
    with pytest.raises(CommandError, match="broken"):
        _run_audit_check("--organization", acme.slug)
    with pytest.raises(CommandError, match="no organization"):
        _run_audit_check("--organization", "nobody")


def test_check_needs_old_keys(acme: Organization, settings) -> None:
    settings.AUDIT_KEYS = ["new", *settings.AUDIT_KEYS]
    record_entry("test.event", "under the new key", organization=acme)
    assert "The record is whole." in _run_audit_check()
    settings.AUDIT_KEYS = ["new"]
    with pytest.raises(CommandError, match="broken at entry 1"):
        _run_audit_check()


def test_sealed_values_survive_database(personas: Personas) -> None:
    values = {"z": [1, 2.5, None, True], "a": {"ü": "“x”"}, "n": 2**53, "e": ""}
    record_entry(
        "test.event", "did ü", organization=personas.ada.organization, before=values, after={}
    )
    assert json.dumps(Entry.objects.get().before, sort_keys=True) == json.dumps(
        values, sort_keys=True
    )
    assert "The record is whole." in _run_audit_check()


def test_database_refuses_update_and_delete(protected: None, acme: Organization) -> None:
    for attempt in (
        "UPDATE audit_entry SET description = 'did nothing'",
        "DELETE FROM audit_entry",
    ):
        with pytest.raises(DatabaseError, match="written once"), transaction.atomic():
            _execute_sql(attempt)
    assert Entry.objects.filter(organization=acme).count() == 5


def test_concurrent_writers_make_one_chain(personas: Personas) -> None:
    acme = personas.ada.organization
    barrier = threading.Barrier(4)

    def write() -> None:
        barrier.wait()
        with owner.lend_scope():
            for _ in range(5):
                record_entry("test.event", "did it at once", organization=acme)

    owner = ThreadOwner()
    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    numbers = Entry.objects.filter(organization=acme).order_by("number")
    assert list(numbers.values_list("number", flat=True)) == list(range(1, 21))
    assert "The record is whole." in _run_audit_check()


def test_rewritten_chain_head_detected(unprotected: None, acme: Organization) -> None:
    entries = Entry.objects.filter(organization=acme).order_by("-number")
    _execute_sql("DELETE FROM audit_entry WHERE id = %s", entries[0].pk)
    last = entries.first()
    _execute_sql(
        "UPDATE audit_chainhead SET number = %s, seal = %s WHERE organization_id = %s",
        last.number,
        last.seal,
        acme.pk,
    )
    with pytest.raises(CommandError, match="the chain's end was rewritten"):
        _run_audit_check()


def test_wholly_deleted_chain_detected(unprotected: None, acme: Organization) -> None:
    _execute_sql("DELETE FROM audit_entry WHERE organization_id = %s", acme.pk)
    _execute_sql("DELETE FROM audit_chainhead WHERE organization_id = %s", acme.pk)
    with pytest.raises(CommandError, match="a chain was deleted as a whole"):
        _run_audit_check()


def test_export_detects_restored_database(unprotected: None, acme: Organization, tmp_path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    _run_audit_check("--export", str(anchors))
    assert "The record is whole." in _run_audit_check("--against", str(anchors))
    record_entry("test.event", "did more", organization=acme)
    assert "The record is whole." in _run_audit_check("--against", str(anchors))
    for table in ("audit_entry", "audit_chainhead"):
        _execute_sql(f"DELETE FROM {table}")  # noqa: S608  (a constant)
    with pytest.raises(CommandError, match="had 5 entries when the anchors were exported"):
        _run_audit_check("--against", str(anchors))
    anchors.write_text(anchors.read_text().replace('"number": 5', '"number": 4'))
    with pytest.raises(CommandError, match="holds no anchors"):
        _run_audit_check("--against", str(anchors))


def test_anchor_logged_after_commit(acme: Organization, caplog) -> None:
    with caplog.at_level("INFO", "portal.audit.anchors"):
        entry = record_entry("test.event", "did more", organization=acme)
    [line] = [r for r in caplog.records if r.name == "portal.audit.anchors"]
    assert line.msg["audit_chain"]["seal"] == entry.seal
