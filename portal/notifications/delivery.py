"""Hands emails to the mail server, from workers only."""

from __future__ import annotations

import logging
import time
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from anymail.exceptions import AnymailError
from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMessage, get_connection

from portal.notifications.message_queue import MessageNotSent

logger = logging.getLogger(__name__)

# Circuit breaker: after a failure that held a worker this long, nobody tries for a while.
SLOW_FAILURE_SECONDS = 5.0
BREAKER_SECONDS = 45  # less than MIN_RETRY_DELAY of message_queue
_BREAKER_KEY = "mail-server-is-slow"


def send_email(
    subject: str,
    text: str,
    address: str,
    *,
    reference: str = "",
    headers: dict[str, str] | None = None,
) -> None:
    """Raises MessageNotSent. An email provider names `reference` again if the email comes back."""
    message = EmailMessage(subject, text, None, [address], headers=headers)
    if reference:
        message.metadata = {"reference": reference}  # type: ignore[attr-defined]  # for Anymail
    deliver_message(message)


def deliver_message(message: EmailMessage) -> None:
    """Raises MessageNotSent, after EMAIL_DEADLINE_SECONDS at the latest."""
    if cache.get(_BREAKER_KEY):
        raise MessageNotSent("the mail server was too slow just now")
    started_at = time.monotonic()
    try:
        get_connection(settings.DELIVERY_EMAIL_BACKEND).send_messages([message])
    # ValueError: an impossible address
    except (SMTPException, AnymailError, OSError, ValueError) as error:
        if time.monotonic() - started_at >= SLOW_FAILURE_SECONDS:
            cache.set(_BREAKER_KEY, True, BREAKER_SECONDS)
        reason = _describe_error(error)
        logger.warning("The mail server refused an email: %s", reason)
        raise MessageNotSent(reason) from None


def _describe_error(error: Exception) -> str:
    code: int | None = None
    if isinstance(error, SMTPResponseException):
        code = error.smtp_code
    elif isinstance(error, SMTPRecipientsRefused):
        code = next((code for code, _ in error.recipients.values()), None)
    elif isinstance(error, AnymailError):
        code = getattr(error, "status_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
