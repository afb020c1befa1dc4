"""The record is written once and stays."""

import pytest

from portal.audit.models import AppendOnly, Entry
from portal.audit.record import record
from tests.cast import Cast


def test_an_entry_tells_who_what_and_on_what(cast: Cast) -> None:
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


def test_an_entry_is_never_changed_and_never_deleted(cast: Cast) -> None:
    entry = record("a.deed", "did something", organization=cast.ada.organization)
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


def test_an_entry_outlives_whom_it_names(cast: Cast) -> None:
    record("a.deed", "did something", organization=cast.zoe.organization, by=cast.zoe.user)
    cast.zoe.organization.delete()
    cast.zoe.user.delete()
    assert Entry.objects.get().by_words == "Zoe <zoe@other.example>"
