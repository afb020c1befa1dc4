"""Queue tasks; each takes a row's ID."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.applications.actions import outbox, perform, reconciliation
from portal.applications.batches import runner
from portal.applications.models import ApplicationAction, Batch
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.core.tenancy.scope import all_organizations


@compile_once
def _find_action(action_id: int) -> QuerySet[ApplicationAction]:
    actions = ApplicationAction.objects.select_related(
        "application__connection", "membership__user", "membership__organization", "reason"
    )
    return actions.filter(pk=action_id)


@use_prepared_statements()
def send_action(action_id: int) -> None:
    [action] = _find_action(action_id)
    perform.send_action(action)


@use_prepared_statements()
def reconcile_action(action_id: int) -> None:
    [action] = _find_action(action_id)
    reconciliation.reconcile_action(action)


def send_batch(batch_id: int) -> None:
    runner.send_batch_turn(Batch.objects.select_related("job__connection").get(pk=batch_id))


@all_organizations("sweeps all customers")
def recover_lost_actions() -> None:
    outbox.recover_lost_actions()
    runner.wake_batches()


SCHEDULES = {recover_lost_actions: 1}  # minutes
