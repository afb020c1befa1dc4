"""Reads from Greenhouse within a page. While Greenhouse is slow, the page says so and asks again by
itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import (
    SLOW_SENTENCE,
    AtsError,
    AtsUnavailable,
    CallsPaused,
    RateLimited,
)
from integrations.greenhouse.provider import Provider
from portal.accounts.access import MemberRequest
from portal.applications.error_sentences import explain_error
from portal.applications.views.read_failure import ReadFailure
from portal.applications.views.repeated_reads import note_slow_read
from portal.connections.client import open_provider
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync.models import Application

T = TypeVar("T")

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 1, 15


def read_from_greenhouse(
    request: MemberRequest, application: Application, read: Callable[[Provider], T]
) -> T | ReadFailure:
    credential = application.connection.credential
    try:
        if credential is None:
            raise SecretUnreadable
        return read(
            open_provider(credential, lane=Lane.PEOPLE, patience=settings.WEB_DEADLINE_SECONDS)
        )
    except (AtsUnavailable, RateLimited) as error:
        retry_seconds = _compute_retry_seconds(error)
        if isinstance(error, CallsPaused | RateLimited):
            note_slow_read(request, retry_seconds)
        return ReadFailure(SLOW_SENTENCE, retry_seconds)
    except (AtsError, SecretUnreadable) as error:
        return ReadFailure(explain_error(error, request.membership))


def _compute_retry_seconds(error: AtsError) -> int:
    retry_at = error.retry_at or timezone.now()
    seconds = round((retry_at - timezone.now()).total_seconds())
    return min(MAX_RETRY_SECONDS, max(MIN_RETRY_SECONDS, seconds))
