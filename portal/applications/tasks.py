"""Queue tasks; each takes a row's ID."""

from __future__ import annotations

from portal.applications.actions import outbox, perform, reconciliation
from portal.applications.batches import runner
from portal.applications.models import ApplicationAction, Batch
from portal.core.database.prepared_statements import use_prepared_statements

_ACTIONS = ApplicationAction.objects.select_related(
    "application__connection", "membership__user", "membership__organization", "reason"
)


@use_prepared_statements()
def send_action(action_id: int) -> None:
    perform.send_action(_ACTIONS.get(pk=action_id))


@use_prepared_statements()
def reconcile_action(action_id: int) -> None:
    reconciliation.reconcile_action(_ACTIONS.get(pk=action_id))


def send_batch(batch_id: int) -> None:
    runner.send_batch_turn(Batch.objects.select_related("job__connection").get(pk=batch_id))


def recover_lost_actions() -> None:
    outbox.recover_lost_actions()


SCHEDULES = {recover_lost_actions: 1}  # minutes
