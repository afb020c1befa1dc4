"""The axes shared by `test_table` and `test_faults`: action kinds and application states.

Faults are only crossed with actions that are recorded: an action that does not fit the state, lacks
its permission, or is taken by somebody without access is never sent (`test_table` asserts that).
"""

from __future__ import annotations

from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ActionKind
from portal.sync.models import Application, AtsUser, Stage
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    get_sandbox_application,
    reject_application,
    submit_action,
)

KINDS = (
    ActionKind.ADVANCE,
    ActionKind.REJECT,
    ActionKind.UNREJECT,
    ActionKind.MOVE,
    ActionKind.TRANSFER,
    ActionKind.UPDATE,
)
FITTING_KINDS = {
    "active": {
        ActionKind.ADVANCE,
        ActionKind.REJECT,
        ActionKind.MOVE,
        ActionKind.TRANSFER,
        ActionKind.UPDATE,
    },
    "rejected": {ActionKind.UNREJECT, ActionKind.UPDATE},
    "hired": set(),
    "converted": set(),
}
# Every action with every state that it fits.
ACTION_STATES = tuple(
    (kind, state) for state, fitting in FITTING_KINDS.items() for kind in KINDS if kind in fitting
)
WRITE = r"/(advance|move|reject|unreject|transfer_to_job)$|/applications/\d+$"


def perform_action(client: Client, kind: str, application: Application):
    """Submit the action with the fields that its kind requires."""
    if kind == ActionKind.REJECT:
        return reject_application(client, application)
    if kind == ActionKind.MOVE:
        later_stage = Stage.objects.filter(job=application.job_id, active=True).order_by("order")[2]
        return submit_action(client, kind, application, to_stage=later_stage.pk)
    if kind == ActionKind.TRANSFER:
        return submit_action(
            client, kind, application, to_job=_find_offered_job(client, application)
        )
    if kind == ActionKind.UPDATE:
        user = AtsUser.objects.exclude(pk=application.recruiter_id).filter(deactivated=False)
        return submit_action(client, kind, application, recruiter=user.order_by("pk").first().pk)
    return submit_action(client, kind, application)


def _find_offered_job(client: Client, application: Application) -> int | str:
    form = client.get(build_action_url("transfer", application.pk), **HTMX)
    if form.status_code != 200:
        return ""
    jobs = form.context["form"].fields["to_job"].queryset
    return next((job.pk for job in jobs if job.landing), "")


def is_applied(sandbox: Sandbox, kind: str, application: Application) -> bool:
    """Whether Greenhouse shows the state that the action leads to."""
    remote = get_sandbox_application(sandbox, application)
    return {
        ActionKind.ADVANCE: remote.stage_id != application.stage_remote_id,
        ActionKind.MOVE: remote.stage_id != application.stage_remote_id,
        ActionKind.REJECT: remote.status == "rejected",
        ActionKind.UNREJECT: remote.status == "active",
        ActionKind.TRANSFER: remote.job_id != application.job.remote_id,
        ActionKind.UPDATE: remote.recruiter_id
        != (application.recruiter.remote_id if application.recruiter else None),
    }[ActionKind(kind)]
