"""Queue tasks; each takes a row's ID."""

from __future__ import annotations

from portal.applications.actions import outbox, perform, reconciliation
from portal.applications.batches import runner
from portal.applications.models import ApplicationAction, Batch
from portal.core.database.prepared_statements import use_prepared_statements
from portal.core.tenancy.scope import all_organizations


def _get_action(action_id: int) -> ApplicationAction:
    actions = ApplicationAction.objects.select_related(
        "application__connection", "membership__user", "membership__organization", "reason"
    )
    return actions.get(pk=action_id)


@use_prepared_statements()
def send_action(action_id: int) -> None:
    perform.send_action(_get_action(action_id))


@use_prepared_statements()
def reconcile_action(action_id: int) -> None:
    reconciliation.reconcile_action(_get_action(action_id))


def send_batch(batch_id: int) -> None:
    runner.send_batch_turn(Batch.objects.select_related("job__connection").get(pk=batch_id))


@all_organizations("sweeps all customers")
def recover_lost_actions() -> None:
    outbox.recover_lost_actions()
    runner.wake_batches()


SCHEDULES = {recover_lost_actions: 1}  # minutes
