"""Audit entries are written once and never change."""

import pytest

from portal.audit.models import AppendOnly, Entry
from portal.audit.record import record
from tests.cast import Cast


def test_entry_stores_actor_subject_and_states(cast: Cast) -> None:
    organization = cast.ada.organization
    entry = record(
        "connection.paused",
        "paused the connection",
        organization=organization,
        by=cast.ada.user,
        subject=cast.ada,
        before={"state": "live"},
        after={"state": "paused"},
    )
    entry.refresh_from_db()
    assert entry.by_words == "Ada <ada@acme.example>"
    assert (entry.subject, entry.subject_id) == ("accounts.membership", cast.ada.pk)
    assert (entry.before, entry.after) == ({"state": "live"}, {"state": "paused"})


def test_entry_cannot_change_or_be_deleted(cast: Cast) -> None:
    entry = record("test.event", "did something", organization=cast.ada.organization)
    entry.words = "did nothing"
    for attempt in (
        entry.save,
        entry.delete,
        Entry.objects.all().delete,
        lambda: Entry.objects.update(words="did nothing"),
    ):
        with pytest.raises(AppendOnly):
            attempt()
    assert Entry.objects.get().words == "did something"


def test_entry_outlives_its_actor(cast: Cast) -> None:
    record("test.event", "did something", organization=cast.zoe.organization, by=cast.zoe.user)
    cast.zoe.organization.delete()
    cast.zoe.user.delete()
    assert Entry.objects.get().by_words == "Zoe <zoe@other.example>"
