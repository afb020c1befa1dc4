"""What was done in Greenhouse, in the organization's own log: who, in whose name there, to what.

One entry for a click and one for a batch, when it is done: what came of each of many stands on the
batch's page. Candidates and requisitions are named by Greenhouse's id alone: not every reader of
the log may see a requisition, so its title is looked up for those who may (`portal.audit.shown`).
"""

from __future__ import annotations

from typing import Any

from portal.applications.acting import AS_SERVICE_ACCOUNT
from portal.applications.models import ApplicationAction, Batch
from portal.applications.verbs import VERBS
from portal.audit.record import record
from portal.mirror.models import AtsUser

_PLACE = ("job", "status", "stage_name")


def done(action: ApplicationAction) -> None:
    """A click was done. Called last in the transaction that settles it."""
    verb, application = VERBS[action.kind], action.application
    back = ", to undo what was done before" if action.undoes_id else ""
    record(
        f"application.{verb.past}",
        f"{verb.past} application {application.remote_id} in Greenhouse{back}, "
        f"{_in_whose_name(application.connection_id, action)}",
        organization=action.membership.organization,
        by=action.membership.user,
        subject=application,
        before=_place(action.before),
        after=_place(action.after) | {"fields": [one.label for one in verb.changes(action)]},
    )


def batch_ended(batch: Batch) -> None:
    """A batch was sent, as far as it was. Nothing is said of one of which nothing was done."""
    actions = batch.actions.order_by()
    count = actions.filter(status=ApplicationAction.Status.DONE).count()
    one = actions.first()
    if not count or one is None:
        return
    verb = VERBS[batch.kind]
    back = ", to undo what was done before" if batch.undoes_id else ""
    record(
        f"application.{verb.past}_many",
        f"{verb.past} {count} of {actions.count()} chosen applications in Greenhouse{back}, "
        f"{_in_whose_name(batch.job.connection_id, one)}",
        organization=batch.membership.organization,
        by=batch.membership.user,
        subject=batch,
        after={"job": batch.job.remote_id},
    )


def _place(where: dict[str, Any] | None) -> dict[str, Any]:
    return {key: where[key] for key in _PLACE if key in where} if where else {}


def _in_whose_name(connection_id: int, action: ApplicationAction) -> str:
    if action.as_service_account:
        return AS_SERVICE_ACCOUNT
    acting = action.acting_user_remote_id
    users = AtsUser.objects.filter(connection_id=connection_id, remote_id=acting or 0)
    user = users.only("remote_id", "name", "primary_email").first()
    name = f"{user} (Greenhouse user {acting})" if user else f"Greenhouse user {acting}"
    return f"in the name of {name}"
