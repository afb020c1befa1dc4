"""Sends actions to Greenhouse at most once and records the true outcome."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from integrations.ats import errors
from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError
from integrations.greenhouse.provider import Provider
from portal.applications.actions.application_state import snapshot_application
from portal.applications.actions.available_actions import build_available_actions
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.handlers.base import ActionHandler
from portal.applications.actions.outcomes import (
    finish_action,
    mark_done,
    mark_unknown,
    reread_application,
    serialize_evidence,
)
from portal.applications.actions.reconciliation import reconcile_action_with
from portal.applications.actions.refusals import clear_refusal, describe_refusal, record_refusal
from portal.applications.error_sentences import explain_error
from portal.applications.models import ApplicationAction
from portal.applications.pending import releasing
from portal.connections.client import open_interactive_provider
from portal.connections.permissions import monitor
from portal.core import transitions
from portal.core.secrets.secret_field import SecretUnreadable
from portal.entitlements.rules import explain_no_access, get_rights, visible_application
from portal.sync.integrity import write_guard
from portal.sync.models import Application
from portal.sync.writers import application_records

logger = logging.getLogger(__name__)
Status = ApplicationAction.Status
# An action sent at once was checked when it was requested; skip the check within this time.
CHECK_VALID_FOR = timedelta(seconds=2)
ACCEPTED_MESSAGE = "Greenhouse accepted it. Checking the application's current stage."
# Seconds between retries while Greenhouse does not respond.
RETRY_DELAYS = (5, 10, 20, 40, 60)


def send_action(action: ApplicationAction) -> None:
    """Send one due action. Returns at once if another worker has claimed it."""
    credential = action.application.connection.credential
    try:
        if credential is None:
            raise SecretUnreadable
        with open_interactive_provider(credential, lane=Lane.PEOPLE) as provider:
            send_action_with(provider, action)
    except SecretUnreadable as error:
        if _claim_action(action):
            finish_action(action, Status.FAILED, _describe_failure(action, error))


def send_action_with(provider: Provider, action: ApplicationAction) -> None:
    if releasing.is_late(action):
        if action.status in ApplicationAction.CANCELABLE_STATUSES:
            releasing.stop_late(action)
        return
    if not _claim_action(action):
        return
    try:
        if why := _why_no_longer_allowed(action):
            finish_action(action, Status.FAILED, why)
        else:
            _send_to_greenhouse(provider, action)
    except Exception:  # our bug: it may have been sent, so read the outcome instead of resending
        logger.exception("Action %s stopped half-way", action.pk)
        action.refresh_from_db(fields=["status"])  # a failed update was rolled back
        mark_unknown(action, errors.OutcomeUnknown(), why="error on our side")


def _send_to_greenhouse(provider: Provider, action: ApplicationAction) -> None:
    handler = ACTION_HANDLERS[action.kind]
    try:
        _check_before_sending(provider, handler, action)
        receipt = handler.send(provider, action)
    except AtsError as error:
        _handle_send_error(provider, action, error)
        return
    if not handler.changes_application:
        _mark_accepted(handler, action)
        return
    accepted = errors.OutcomeUnknown(ACCEPTED_MESSAGE)
    if receipt.application is None:
        mark_unknown(action, accepted, why="accepted, but the current stage couldn't be read")
        reconcile_action_with(provider, action)
        return
    connection = action.application.connection
    try:
        with transaction.atomic():
            application_records.write_applications(connection, [receipt.application])
            current = write_guard.get_written_row(
                Application, connection, action.application.remote_id
            )
            mark_done(action, handler.describe_success(action, current), current)
    except write_guard.ConnectionChanged:
        mark_unknown(action, accepted, why="accepted while the connection changed")
        return
    clear_refusal(action)


def _mark_accepted(handler: ActionHandler, action: ApplicationAction) -> None:
    with transaction.atomic():
        current = Application.objects.select_related("job").get(pk=action.application_id)
        mark_done(action, handler.describe_success(action, current), current)
    clear_refusal(action)


def _claim_action(action: ApplicationAction) -> bool:
    now = timezone.now()
    if action.due_at is not None and action.due_at > now:
        return False
    return transitions.try_move(
        action, Status.SENDING, why="claimed by a worker", sent_at=now, attempts=action.attempts + 1
    )


def _why_no_longer_allowed(action: ApplicationAction) -> str:
    if (
        action.attempts == 1
        and action.due_at is None
        and _time_since_queued(action) < CHECK_VALID_FOR
    ):
        return ""
    member = action.membership
    if member.ended_at:
        return f"{member.user} is no longer a member of {member.organization}. Nothing was sent."
    if not member.user.is_active:
        return f"The account of {member.user} was deactivated. Nothing was sent."
    member_rights = get_rights(member)
    application = visible_application(member, action.application_id, member_rights=member_rights)
    if application is None:
        if reason := explain_no_access(member_rights):
            return f"{reason} Nothing was sent."
        return "You no longer have access to this application in Greenhouse. Nothing was sent."
    available_actions = build_available_actions(application, member, member_rights)
    option = available_actions.get_option(action.kind)
    if reason := ACTION_HANDLERS[action.kind].why_target_unavailable(
        action.parameters, available_actions.context
    ):
        return f"{reason} Nothing was sent."
    # If the state changed since the click, let Greenhouse report the conflict.
    return "" if option.wrong_state else option.why_not


def _time_since_queued(action: ApplicationAction) -> timedelta:
    return timezone.now() - action.queued_at


def _check_before_sending(
    provider: Provider, handler: ActionHandler, action: ApplicationAction
) -> None:
    if not handler.needs_precheck(action):
        return
    try:
        current = provider.get_application(action.application.remote_id)
    except (errors.MissingPermission, errors.NotSiteAdmin, errors.UnreadableResponse):
        return
    if handler.differs_from_seen(action, current):
        raise errors.Conflict


def _handle_send_error(provider: Provider, action: ApplicationAction, error: AtsError) -> None:
    if isinstance(error, errors.OutcomeUnknown):
        mark_unknown(action, error, why="the response was lost")
        reconcile_action_with(provider, action)
        return
    if isinstance(error, (errors.AtsUnavailable, errors.RateLimited)) and _reschedule_send(
        action, error
    ):
        return
    if isinstance(error, errors.MissingPermission):
        monitor.recheck_after_refusal(action.application.connection, error.permission)
    status = {
        errors.Conflict: Status.CONFLICT,
        errors.ActingUserRefused: Status.REFUSED,
        errors.MissingPermission: Status.REFUSED,
        errors.NotFound: Status.REFUSED,
        errors.InvalidValues: Status.REFUSED,
    }.get(type(error), Status.FAILED)
    evidence = serialize_evidence(error)
    if status == Status.FAILED:
        finish_action(action, status, _describe_failure(action, error), evidence=evidence)
        return
    record_refusal(action, error)
    current = _try_refresh_application(provider, action)
    state_after = snapshot_application(current) if current else None
    finish_action(
        action, status, describe_refusal(action, error), evidence=evidence, state_after=state_after
    )


def _reschedule_send(action: ApplicationAction, error: AtsError) -> bool:
    """Back to the outbox, where it can be canceled; False once `give_up_at` would pass."""
    now = timezone.now()
    delay = RETRY_DELAYS[min(action.attempts, len(RETRY_DELAYS)) - 1]
    due_at = now + timedelta(seconds=delay)
    if retry_at := error.retry_at:
        due_at = max(retry_at, now + timedelta(seconds=1))
    if action.give_up_at is None or due_at > action.give_up_at:
        return False
    return transitions.try_move(
        action, Status.SCHEDULED, why=error.sentence, outcome=_describe_wait(error), due_at=due_at
    )


def _describe_wait(error: AtsError) -> str:
    if isinstance(error, errors.RateLimited):
        return "Greenhouse is limiting our requests. We'll send this in a moment."
    if error.retry_at:
        return errors.SLOW_SENTENCE
    return "Greenhouse isn't responding. We'll keep trying."


def _describe_failure(action: ApplicationAction, error: AtsError | SecretUnreadable) -> str:
    if isinstance(error, errors.AtsUnavailable):
        return "Greenhouse didn't respond. Nothing changed."
    if isinstance(error, errors.RateLimited):
        return "Greenhouse kept limiting our requests. Nothing changed."
    return f"Nothing changed. {explain_error(error, action.membership)}"


def _try_refresh_application(provider: Provider, action: ApplicationAction) -> Application | None:
    try:
        return reread_application(provider, action)
    except AtsError:
        return None
