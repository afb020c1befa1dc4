"""The axes shared by `test_table` and `test_faults`: action kinds and application states.

Faults are only crossed with actions that are recorded: an action that does not fit the state, lacks
its permission, or is taken by somebody without access is never sent (`test_table` asserts that).
"""

from __future__ import annotations

from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import Kind
from portal.mirror.models import Application, AtsUser, Stage
from tests.portal.applications.clicking import HTMX, address, click, reject, truth

KINDS = (Kind.ADVANCE, Kind.REJECT, Kind.UNREJECT, Kind.MOVE, Kind.TRANSFER, Kind.UPDATE)
FITTING_KINDS = {
    "active": {Kind.ADVANCE, Kind.REJECT, Kind.MOVE, Kind.TRANSFER, Kind.UPDATE},
    "rejected": {Kind.UNREJECT, Kind.UPDATE},
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
    if kind == Kind.REJECT:
        return reject(client, application)
    if kind == Kind.MOVE:
        later_stage = Stage.objects.filter(job=application.job_id, active=True).order_by("order")[2]
        return click(client, kind, application, to_stage=later_stage.pk)
    if kind == Kind.TRANSFER:
        return click(client, kind, application, to_job=_find_offered_job(client, application))
    if kind == Kind.UPDATE:
        user = AtsUser.objects.exclude(pk=application.recruiter_id).filter(deactivated=False)
        return click(client, kind, application, recruiter=user.order_by("pk").first().pk)
    return click(client, kind, application)


def _find_offered_job(client: Client, application: Application) -> int | str:
    form = client.get(address("transfer", application.pk), **HTMX)
    if form.status_code != 200:
        return ""
    jobs = form.context["form"].fields["to_job"].queryset
    return next((job.pk for job in jobs if job.landing), "")


def is_applied(sandbox: Sandbox, kind: str, application: Application) -> bool:
    """Whether Greenhouse shows the state that the action leads to."""
    remote = truth(sandbox, application)
    return {
        Kind.ADVANCE: remote.stage_id != application.stage_remote_id,
        Kind.MOVE: remote.stage_id != application.stage_remote_id,
        Kind.REJECT: remote.status == "rejected",
        Kind.UNREJECT: remote.status == "active",
        Kind.TRANSFER: remote.job_id != application.job.remote_id,
        Kind.UPDATE: remote.recruiter_id
        != (application.recruiter.remote_id if application.recruiter else None),
    }[Kind(kind)]
