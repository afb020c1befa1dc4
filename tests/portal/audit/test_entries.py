"""Audit entries are written once and never change."""

import pytest

from portal.audit.entries import record_entry
from portal.audit.models import AppendOnlyViolation, Entry
from tests.personas import Personas


def test_entry_stores_actor_subject_and_states(personas: Personas) -> None:
    organization = personas.ada.organization
    entry = record_entry(
        "connection.paused",
        "paused the connection",
        organization=organization,
        by=personas.ada.user,
        subject=personas.ada,
        before={"state": "live"},
        after={"state": "paused"},
    )
    entry.refresh_from_db()
    assert entry.actor_label == "Ada <ada@acme.example>"
    assert (entry.subject, entry.subject_id) == ("accounts.membership", personas.ada.pk)
    assert (entry.before, entry.after) == ({"state": "live"}, {"state": "paused"})


def test_entry_cannot_change_or_be_deleted(personas: Personas) -> None:
    entry = record_entry("test.event", "did something", organization=personas.ada.organization)
    entry.description = "did nothing"
    for attempt in (
        entry.save,
        entry.delete,
        Entry.objects.all().delete,
        lambda: Entry.objects.update(description="did nothing"),
    ):
        with pytest.raises(AppendOnlyViolation):
            attempt()
    assert Entry.objects.get().description == "did something"


def test_entry_outlives_its_actor(personas: Personas) -> None:
    record_entry(
        "test.event", "did something", organization=personas.zoe.organization, by=personas.zoe.user
    )
    personas.zoe.organization.delete()
    personas.zoe.user.delete()
    assert Entry.objects.get().actor_label == "Zoe <zoe@other.example>"
