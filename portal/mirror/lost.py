"""What a complete read no longer contained, and so is gone: never on the word of a list alone where
its pages may shift.

Harvest v1 numbers its pages. A record that is deleted while they are read moves the rest up by one,
and the first of the next page is hidden at the end of the one just read. So what such a list lacked
is asked for once more before it counts as gone: a few records one by one, many by reading the list
a second time. A record hidden from the first reading stands well within a page of the second.

What a list shows also hangs on who reads it: one that lacks most of what is here is doubted first
(`doubt`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Count, QuerySet

from integrations.ats.errors import MissingPermission, NotFound
from integrations.ats.port import Provider
from integrations.ats.types import Page
from portal.connections.models import Connection
from portal.mirror import doubt, write
from portal.mirror.models import JobGrant, Mirrored, SeenPage, SyncStep
from portal.mirror.steps import Step

FEW = 50  # so many are asked for one by one
LONG = 100  # grants from which a person's list may have a second page; Greenhouse's own page size


class Kept:
    """The keys that a complete read held: eight bytes each, however many there are."""

    def __init__(self, pages: Iterable[bytes]) -> None:
        held = array("q")
        for page in pages:
            held.frombytes(page)
        self._keys = array("q", sorted(held)) if held else held

    def __contains__(self, key: object) -> bool:
        at = bisect_left(self._keys, key)  # type: ignore[call-overload]
        return at < len(self._keys) and bool(self._keys[at] == key)

    def __len__(self) -> int:
        return len(self._keys)


def remember(definition: Step, step: SyncStep, page: Page[Any]) -> None:
    """Keep which records the page held, for when the list has been read to its end.

    Templates are no requisitions: one that a job became is not kept. A record that could not even
    be named may be any of ours: from then on nothing is called gone.
    """
    keys = array("q")
    for record in page.records:
        key = definition.key(record)
        if key is not None and not getattr(record, "is_template", False):
            keys.append(key)
    for aside in page.set_aside:
        if aside.remote_id is None or definition.forget is not None:
            SyncStep.objects.filter(pk=step.pk).update(unnamed=True)
        else:
            keys.append(aside.remote_id)
    if keys:
        SeenPage.objects.create(step=step, keys=keys.tobytes())


def forget(connection: Connection, definition: Step, step: SyncStep) -> int:
    """Let go of what the complete read no longer contained. Raises MostMissing."""
    kept = _kept(step)
    if definition.forget is not None:
        return definition.forget(connection, kept) if len(kept) else 0
    if definition.model is None:
        return 0
    missing = _missing(connection, definition, step, kept)
    if definition.doubted:
        doubt.look(connection, definition, len(missing), here=_before(connection, definition, step))
    return write.mark_gone(connection, definition.model, missing)


def to_look_for(connection: Connection, definition: Step, step: SyncStep) -> list[int]:
    """What a list that was read to its end lacked, and may only have been hidden from it."""
    if step.since is not None or step.unnamed or definition.model is None or step.pages < 2:
        return []
    missing = _missing(connection, definition, step, _kept(step))
    if definition.model is JobGrant and missing:
        long = JobGrant.objects.filter(connection=connection, user__in=_with_long_lists(connection))
        return sorted({*missing} & {*long.values_list("remote_id", flat=True)})
    return missing


def living(
    connection: Connection, definition: Step, provider: Provider, missing: Sequence[int]
) -> list[Any] | None:
    """Those that Greenhouse has all the same; None where the list must tell. Raises AtsError."""
    if definition.model is JobGrant:
        theirs = JobGrant.objects.filter(connection=connection, remote_id__in=missing)
        users = {*theirs.values_list("user__remote_id", flat=True)}
        pages = provider.job_permissions(user_ids=users)
        return [one for page in pages for one in page.records if one.id in missing]
    if definition.single is None or len(missing) > FEW:
        return None
    try:
        return [*_found(definition.single, provider, missing)]
    except MissingPermission:  # only the list is permitted
        return None


def _found(single: Any, provider: Provider, missing: Sequence[int]) -> Iterator[Any]:
    for remote_id in missing:
        try:
            yield single(provider, remote_id)
        except NotFound:
            continue


def _with_long_lists(connection: Connection) -> Any:
    """People are lists of their own: most have one page each, which hides nothing."""
    living = JobGrant.objects.filter(connection=connection, gone_at=None)
    counted = living.values("user").annotate(n=Count("pk"))
    return counted.filter(n__gte=LONG).values("user")


def _kept(step: SyncStep) -> Kept:
    return Kept(bytes(one) for one in step.seen_pages.values_list("keys", flat=True).iterator(100))


def _before(connection: Connection, definition: Step, step: SyncStep) -> int:
    """How many were here when the step began."""
    return definition.count(connection) - step.created


def _missing(connection: Connection, definition: Step, step: SyncStep, kept: Kept) -> list[int]:
    if not len(kept) and definition.kind == "openings":
        return []  # where jobs carry their openings, this list is empty
    model: Any = definition.model
    # What came after the step began, from a single read, may have been missed by its pages.
    rows: QuerySet[Mirrored] = model._default_manager.filter(
        connection=connection, gone_at=None, changed_at__lt=step.started_at
    )
    remote_ids = rows.values_list("remote_id", flat=True).order_by()
    return [one for one in remote_ids.iterator(2000) if one not in kept]
