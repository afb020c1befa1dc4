"""The one door through which a state changes: compare-and-swap, then remember it.

A model that has states declares them and its moves side by side::

    class Status(models.TextChoices): ...
    MOVES = {Status.QUEUED: {Status.RUNNING}, ...}
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils import timezone

from portal.core.models import LONGEST_WHY, Transition

if TYPE_CHECKING:
    from portal.accounts.models import User  # the rooms' wall: core knows people by type only


class Raced(Exception):
    """Somebody else moved it first: look again before deciding anything."""


class NotAllowed(Exception):
    """There is no such move. This is a bug in our code, never the person's fault."""


def move(
    subject: models.Model,
    to: str,
    *,
    why: str,
    by: User | None = None,
    facts: dict[str, Any] | None = None,
    field: str = "status",
    **also: Any,
) -> None:
    """Move `subject` from the state it was read in to `to`, writing the fields in `also` with it.

    Raises Raced when the row is no longer in that state, NotAllowed when the model's MOVES has no
    such move. On success `subject` itself carries the new values.
    """
    old = getattr(subject, field)
    if to not in subject.MOVES.get(old, ()):  # type: ignore[attr-defined]
        raise NotAllowed(f"{subject._meta.label}: {old} → {to}")
    manager = type(subject)._default_manager
    # Nothing is raised within: a caller's own transaction goes on after a lost race.
    with transaction.atomic(savepoint=False):
        changed = manager.filter(pk=subject.pk, **{field: old}).update(**{field: to}, **also)
        if changed:
            Transition.objects.create(
                subject=subject._meta.label_lower,
                subject_id=subject.pk,
                old=old,
                new=to,
                by=by,
                why=why[:LONGEST_WHY],  # it may hold Greenhouse's own words
                facts=facts or {},
            )
    if not changed:
        raise Raced(f"{subject._meta.label} {subject.pk} is no longer {old}")
    for name, value in {field: to, **also}.items():
        setattr(subject, name, value)


def won(subject: models.Model, to: str, **kwargs: Any) -> bool:
    """Like `move`, for workers that race: False when somebody else was first.

    Somebody else may have moved it on long before this row was read: then there is no such move.
    """
    try:
        move(subject, to, **kwargs)
    except (Raced, NotAllowed):
        return False
    return True


def give_up(
    rows: models.QuerySet[Any],
    state: str,
    to: str,
    *,
    after: timedelta,
    field: str = "status",
    **also: Any,
) -> None:
    """Move on to `to` what came into `state` so long ago that the worker which had it is gone."""
    lately = Transition.objects.filter(
        subject=rows.model._meta.label_lower,
        subject_id=models.OuterRef("pk"),
        new=state,
        at__gte=timezone.now() - after,
    )
    for row in rows.filter(~models.Exists(lately), **{field: state})[:200]:
        won(row, to, why="its worker fell silent", field=field, **also)
