"""After the click: take it back, do it from where things stand now, or put the card away."""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.applications import outbox, undo
from portal.applications.forms.click import ClickForm
from portal.applications.models import ApplicationAction
from portal.applications.offers import ground
from portal.applications.verbs import VERBS, Click
from portal.applications.views.base import INCOMPLETE, action_of, back, clicked
from portal.entitlements.rules import rights


@require_POST
@member_only
def withdraw(request: MemberRequest, pk: int) -> HttpResponse:
    """Undo before it was sent."""
    action = action_of(request, pk)
    held = rights(request.membership)
    if not outbox.withdraw(action, by=request.membership.user):
        note = "It was too late: it is on its way to Greenhouse, or done already."
        return back(request, action.application, held, note=note, status=409)
    return back(request, action.application, held)


@require_POST
@member_only
def take_back(request: MemberRequest, pk: int) -> HttpResponse:
    """Undo what is done already, by its inverse."""
    action = action_of(request, pk)
    application, held = action.application, rights(request.membership)
    newest = undo.newest_deeds([application.pk]).get(application.pk)
    at = ground(request.membership, application.job_id, held)
    click = undo.way_back(action, application, at) if newest == action.pk else ""
    if isinstance(click, str):
        if action.undone_by.filter(membership=request.membership).exists():
            return back(request, application, held)  # the same click again
        note = click or "This can no longer be undone from here: something happened since."
        return back(request, application, held, note=note, status=409)
    return clicked(request, application, held, replace(click, key=_key_of_undo(action)), at=at)


def _key_of_undo(action: ApplicationAction) -> uuid.UUID:
    """The same for the same click; another one once an undo came to nothing."""
    vain = action.undone_by.filter(status__in=ApplicationAction.DID_NOTHING).count()
    return uuid.uuid5(action.key, f"undo {vain}")


@require_POST
@member_only
def again(request: MemberRequest, pk: int) -> HttpResponse:
    """Do what a conflict or a failure stopped, from where the application stands on the card."""
    action = action_of(request, pk)
    application, held = action.application, rights(request.membership)
    form = ClickForm(request.POST)
    if not form.is_valid():
        return back(request, application, held, note=INCOMPLETE, status=422)
    return clicked(request, application, held, _the_same(action, form))


def _the_same(action: ApplicationAction, form: ClickForm) -> Click:
    click = form.click(action.kind)
    return Click(
        key=click.key,
        kind=action.kind,
        seen=click.seen,
        seen_stage_name=click.seen_stage_name,
        reason=action.reason,
        notes=action.notes,
        parameters=VERBS[action.kind].anew(action, action.application),
        undoes=action.undoes,
    )


@require_POST
@member_only
def dismiss(request: MemberRequest, pk: int) -> HttpResponse:
    """Skip: put the card of a conflict, a refusal or a failure away."""
    action = action_of(request, pk)
    mine = ApplicationAction.objects.filter(pk=action.pk, dismissed_at=None)
    mine.exclude(status__in=ApplicationAction.OPEN).update(dismissed_at=timezone.now())
    return back(request, action.application, rights(request.membership))
