"""What workers do with applications. A task gets an id; the row tells the rest."""

from __future__ import annotations

from portal.applications import bulk, outbox, perform
from portal.applications.models import ApplicationAction, Batch
from portal.core.planned import planned_once

_ROWS = ApplicationAction.objects.select_related(
    "application__connection", "membership__user", "membership__organization", "reason"
)


@planned_once()
def send(action_id: int) -> None:
    perform.send(_ROWS.get(pk=action_id))


@planned_once()
def settle(action_id: int) -> None:
    perform.settle(_ROWS.get(pk=action_id))


def batch(batch_id: int) -> None:
    bulk.step(Batch.objects.select_related("job__connection").get(pk=batch_id))


def sweep() -> None:
    outbox.sweep()
