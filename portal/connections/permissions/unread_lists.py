"""Lists that a sync skipped for want of a permission, until one reads them whole.

`Connection.unread_lists` maps each list to the features that were off when it was skipped. Once the
permission is granted, these features stay as they were until the list has been read: otherwise
empty tables would take away what people could see or do before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db import transaction

from portal.connections.models import Connection


def mark_unread(connection: Connection, skipped_lists: Mapping[str, Collection[str]]) -> None:
    """Remember skipped lists, each with the features that are off."""
    if not skipped_lists:
        return
    with transaction.atomic():
        unread_lists = _lock_unread_lists(connection)
        for kind, features in skipped_lists.items():
            unread_lists[kind] = sorted({*unread_lists.get(kind, ()), *features})
        _store(connection, unread_lists)


def mark_read(connection: Connection, kinds: Collection[str]) -> None:
    if not connection.unread_lists.keys() & kinds:
        return
    with transaction.atomic():
        unread_lists = _lock_unread_lists(connection)
        for kind in kinds:
            unread_lists.pop(kind, None)
        _store(connection, unread_lists)


def _lock_unread_lists(connection: Connection) -> dict[str, list[str]]:
    rows = Connection.objects.filter(pk=connection.pk).select_for_update(no_key=True)
    return dict(rows.values_list("unread_lists", flat=True).get())


def _store(connection: Connection, unread_lists: dict[str, list[str]]) -> None:
    Connection.objects.filter(pk=connection.pk).update(unread_lists=unread_lists)
    connection.unread_lists = unread_lists
