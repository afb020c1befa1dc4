"""State changes by compare-and-swap, each recorded as a Transition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils import timezone

from portal.core.database.paired_writes import update_and_insert
from portal.core.models import MAX_REASON_LENGTH, Transition

RESTORED = "restored from a backup: it may have been sent since"

if TYPE_CHECKING:
    from portal.accounts.models import User  # core may not import accounts at run time


class ConcurrentTransition(Exception):
    """Another process moved the row first: reload it before deciding anything."""


class TransitionNotAllowed(ConcurrentTransition):
    """The model's MOVES has no such move: another process moved the row on before it was read."""


def move_state(
    subject: models.Model,
    to: str,
    *,
    why: str,
    by: User | None = None,
    details: dict[str, Any] | None = None,
    field: str = "status",
    unchanged_fields: Sequence[str] = (),
    **extra_fields: Any,
) -> None:
    """Sets `extra_fields` as well, also on `subject`. Raises ConcurrentTransition if the row has
    left the state it was read in or one of `unchanged_fields` has changed since,
    TransitionNotAllowed if the model's MOVES has no such move.
    """
    old = getattr(subject, field)
    if to not in subject.MOVES.get(old, ()):  # type: ignore[attr-defined]
        raise TransitionNotAllowed(f"{subject._meta.label}: {old} → {to}")
    expected_values = {name: getattr(subject, name) for name in unchanged_fields}
    rows = type(subject)._default_manager.filter(pk=subject.pk, **{field: old}, **expected_values)
    changed = update_and_insert(
        rows,
        {field: to, **extra_fields},
        Transition(
            subject=subject._meta.label_lower,
            subject_id=subject.pk,
            old=old,
            new=to,
            by=by,
            reason=why[:MAX_REASON_LENGTH],  # may contain Greenhouse's text
            details=details or {},
        ),
    )
    if not changed:
        raise ConcurrentTransition(f"{subject._meta.label} {subject.pk} is no longer {old}")
    for name, value in {field: to, **extra_fields}.items():
        setattr(subject, name, value)


def try_move(subject: models.Model, to: str, **kwargs: Any) -> bool:
    """Like `move_state`, but returns False if another process was first."""
    try:
        move_state(subject, to, **kwargs)
    except ConcurrentTransition:
        return False
    return True


def move_rows(
    rows: models.QuerySet[Any],
    to: str,
    *,
    why: str,
    by: User | None = None,
    field: str = "status",
    **extra_fields: Any,
) -> list[int]:
    """Move all `rows` that may still move to `to`, in three statements, and return their keys.

    Rows that another process moved first are left out, as `try_move` would.
    """
    movable_states = [old for old, targets in rows.model.MOVES.items() if to in targets]
    with transaction.atomic(savepoint=False):
        # Locked, so that the update changes exactly the rows whose transitions are recorded.
        locked = rows.filter(**{f"{field}__in": movable_states}).select_for_update(of=("self",))
        old_states = dict(locked.order_by("pk").values_list("pk", field))
        if not old_states:
            return []
        rows.model._default_manager.filter(pk__in=old_states).update(**{field: to}, **extra_fields)
        Transition.objects.bulk_create(
            Transition(
                subject=rows.model._meta.label_lower,
                subject_id=pk,
                old=old,
                new=to,
                by=by,
                reason=why[:MAX_REASON_LENGTH],
            )
            for pk, old in old_states.items()
        )
    return list(old_states)


def move_stalled_rows(
    rows: models.QuerySet[Any],
    state: str,
    to: str,
    *,
    after: timedelta,
    field: str = "status",
    **extra_fields: Any,
) -> None:
    """Move rows to `to` that entered `state` more than `after` ago: their worker is gone."""
    recent_transitions = Transition.objects.filter(
        subject=rows.model._meta.label_lower,
        subject_id=models.OuterRef("pk"),
        new=state,
        at__gte=timezone.now() - after,
    )
    for row in rows.filter(~models.Exists(recent_transitions), **{field: state})[:200]:
        try_move(row, to, why="its worker stopped responding", field=field, **extra_fields)
