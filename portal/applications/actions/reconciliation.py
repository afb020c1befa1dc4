"""Find out what became of an action whose response was lost; never sends it again."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from integrations.ats import errors
from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError
from integrations.greenhouse.provider import Provider
from portal.applications.actions.application_state import snapshot_application
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.outcomes import finish_action, mark_done, reread_application
from portal.applications.actions.refusals import clear_refusal
from portal.applications.models import ApplicationAction
from portal.connections.client import open_interactive_provider
from portal.connections.models import Credential
from portal.core.secrets.secret_field import SecretUnreadable

Status = ApplicationAction.Status
# A write whose response was lost may still arrive: no change is a failure only after this long.
IN_FLIGHT_PERIOD = timedelta(seconds=30)


def reconcile_action(action: ApplicationAction) -> None:
    """Determine a lost response's outcome by reading and comparing; never resends."""
    credential: Credential | None = action.application.connection.credential
    if credential is None:
        return
    with (
        suppress(SecretUnreadable),
        open_interactive_provider(credential, lane=Lane.PEOPLE) as provider,
    ):
        reconcile_action_with(provider, action)


def reconcile_action_with(provider: Provider, action: ApplicationAction) -> None:
    try:
        current = reread_application(provider, action)
        status, sentence = ACTION_HANDLERS[action.kind].read_outcome(provider, action, current)
    except errors.NotFound:
        finish_action(action, Status.CONFLICT, "Greenhouse no longer has this application.")
        return
    except AtsError as error:  # still unknown; retried later
        if retry_at := error.retry_at:
            unknown = ApplicationAction.objects.filter(pk=action.pk, status=Status.UNKNOWN)
            unknown.filter(due_at__lt=retry_at).update(due_at=retry_at)
        return
    if status == Status.FAILED and not _is_past_in_flight_period(action):
        return
    if status != Status.DONE:
        finish_action(action, status, sentence, state_after=snapshot_application(current))
        return
    with transaction.atomic():
        mark_done(action, sentence, current)
    clear_refusal(action)


def _is_past_in_flight_period(action: ApplicationAction) -> bool:
    sent: datetime | None = action.sent_at
    return sent is None or sent < timezone.now() - IN_FLIGHT_PERIOD
