"""The axes of the table that `test_table` and `test_faults` walk: actions, states, faults.

Cells that cannot exist, and why: an action in a state that it does not fit, without its permission,
or by somebody who does not see the application is never recorded, so no fault can meet it
(`test_table` shows that nothing is sent there). What two axes cross beyond that: a permission or a
right that is lost between the click and its sending, which Greenhouse refuses like any other.
"""

from __future__ import annotations

from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import Kind
from portal.mirror.models import Application, AtsUser, Stage
from tests.portal.applications.clicking import HTMX, address, click, reject, truth

KINDS = (Kind.ADVANCE, Kind.REJECT, Kind.UNREJECT, Kind.MOVE, Kind.TRANSFER, Kind.UPDATE)
FITS = {
    "active": {Kind.ADVANCE, Kind.REJECT, Kind.MOVE, Kind.TRANSFER, Kind.UPDATE},
    "rejected": {Kind.UNREJECT, Kind.UPDATE},
    "hired": set(),
    "converted": set(),
}
# Each action in each state that it fits.
DEEDS = tuple((kind, state) for state, fitting in FITS.items() for kind in KINDS if kind in fitting)
WRITE = r"/(advance|move|reject|unreject|transfer_to_job)$|/applications/\d+$"


def do(client: Client, kind: str, one: Application):
    """Click, with whatever the kind asks for."""
    if kind == Kind.REJECT:
        return reject(client, one)
    if kind == Kind.MOVE:
        later_stage = Stage.objects.filter(job=one.job_id, active=True).order_by("order")[2]
        return click(client, kind, one, to_stage=later_stage.pk)
    if kind == Kind.TRANSFER:
        return click(client, kind, one, to_job=_a_job_on_offer(client, one))
    if kind == Kind.UPDATE:
        user = AtsUser.objects.exclude(pk=one.recruiter_id).filter(deactivated=False)
        return click(client, kind, one, recruiter=user.order_by("pk").first().pk)
    return click(client, kind, one)


def _a_job_on_offer(client: Client, one: Application) -> int | str:
    form = client.get(address("transfer", one.pk), **HTMX)
    if form.status_code != 200:
        return ""
    offered = form.context["form"].fields["to_job"].queryset
    return next((job.pk for job in offered if job.landing), "")


def happened(sandbox: Sandbox, kind: str, one: Application) -> bool:
    """Whether Greenhouse has it as the action would leave it."""
    now = truth(sandbox, one)
    return {
        Kind.ADVANCE: now.stage_id != one.stage_remote_id,
        Kind.MOVE: now.stage_id != one.stage_remote_id,
        Kind.REJECT: now.status == "rejected",
        Kind.UNREJECT: now.status == "active",
        Kind.TRANSFER: now.job_id != one.job.remote_id,
        Kind.UPDATE: now.recruiter_id != (one.recruiter.remote_id if one.recruiter else None),
    }[Kind(kind)]
