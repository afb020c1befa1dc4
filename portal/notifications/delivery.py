"""Hands emails to the mail server, from workers only, and says when to try again."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from anymail.exceptions import AnymailError
from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMessage, get_connection
from django.db.models import Model
from django.utils import timezone

from portal.core import transitions

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 19  # over a day, with these delays
MIN_RETRY_DELAY = timedelta(minutes=1)
MAX_RETRY_DELAY = timedelta(hours=2)
# Circuit breaker: after a failure that held a worker this long, nobody tries for a while.
SLOW_FAILURE_SECONDS = 5.0
BREAKER_SECONDS = 45  # less than MIN_RETRY_DELAY
_BREAKER_KEY = "mail-server-is-slow"


class EmailNotSent(Exception):
    """`reason` names the error and the server's code; its text may quote addresses."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def send_email(
    subject: str,
    text: str,
    address: str,
    *,
    reference: str = "",
    headers: dict[str, str] | None = None,
) -> None:
    """Raises EmailNotSent. An email provider names `reference` again if the email comes back."""
    message = EmailMessage(subject, text, None, [address], headers=headers)
    if reference:
        message.metadata = {"reference": reference}  # type: ignore[attr-defined]  # for Anymail
    deliver_message(message)


def deliver_message(message: EmailMessage) -> None:
    """Raises EmailNotSent, after EMAIL_DEADLINE_SECONDS at the latest."""
    if cache.get(_BREAKER_KEY):
        raise EmailNotSent("the mail server was too slow just now")
    started_at = time.monotonic()
    try:
        get_connection(settings.DELIVERY_EMAIL_BACKEND).send_messages([message])
    # ValueError: an impossible address
    except (SMTPException, AnymailError, OSError, ValueError) as error:
        if time.monotonic() - started_at >= SLOW_FAILURE_SECONDS:
            cache.set(_BREAKER_KEY, True, BREAKER_SECONDS)
        reason = _describe_error(error)
        logger.warning("The mail server refused an email: %s", reason)
        raise EmailNotSent(reason) from None


def _get_next_attempt(attempts: int) -> datetime | None:
    """When to try again after so many attempts; None: give up."""
    if attempts >= MAX_ATTEMPTS:
        return None
    delay: timedelta = MIN_RETRY_DELAY * 2 ** (attempts - 1)
    return timezone.now() + min(delay, MAX_RETRY_DELAY)


def requeue(
    row: Model, attempts: int, reason: str, *, prefix: str = "", **extra_fields: object
) -> bool:
    """Move a row that is being sent back to queued until its next attempt.

    Returns False, and changes nothing, after the last one. `prefix` precedes the names of the
    row's fields status, attempts and due_at.
    """
    due_at = _get_next_attempt(attempts)
    if due_at is None:
        return False
    schedule = {f"{prefix}attempts": attempts, f"{prefix}due_at": due_at}
    transitions.try_move(
        row, "queued", why=reason, field=f"{prefix}status", **schedule, **extra_fields
    )
    return True


def _describe_error(error: Exception) -> str:
    code: int | None = None
    if isinstance(error, SMTPResponseException):
        code = error.smtp_code
    elif isinstance(error, SMTPRecipientsRefused):
        code = next((code for code, _ in error.recipients.values()), None)
    elif isinstance(error, AnymailError):
        code = getattr(error, "status_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
