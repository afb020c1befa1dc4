"""Errors raised by providers. Their texts contain no secrets or personal data, so they may be
logged.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str  # a template (/v3/applications/{id}), never a real id
    status: int | None
    message: str  # the ATS's own text, redacted
    at: datetime
    request_id: str | None = None


class AtsError(Exception):
    default_sentence: ClassVar[str] = "Something went wrong with Greenhouse."
    retry_at: datetime | None = None  # aware, UTC; set if the error says when to ask again

    def __init__(self, sentence: str = "", *, evidence: Evidence | None = None) -> None:
        self.sentence = sentence or self.default_sentence
        self.evidence = evidence
        super().__init__(self.sentence)


class AtsUnavailable(AtsError):
    default_sentence = "Couldn't reach Greenhouse."

    def __init__(
        self,
        sentence: str = "",
        *,
        evidence: Evidence | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        self.retry_at = retry_at
        super().__init__(sentence, evidence=evidence)


SLOW_SENTENCE = "Greenhouse is slow right now. Still trying."


class CallsPaused(AtsUnavailable):
    """Greenhouse was not asked: the circuit breaker is open, or the bulkhead full."""

    default_sentence = SLOW_SENTENCE


class OutcomeUnknown(AtsError):
    """A write was sent and its response lost. Reread the record before anything else."""

    default_sentence = "Greenhouse didn't respond. Checking what happened."


class RateLimited(AtsError):
    default_sentence = "Greenhouse is limiting our requests right now."

    def __init__(
        self,
        retry_at: datetime,
        sentence: str = "",
        *,
        evidence: Evidence | None = None,
        requested_until: datetime | None = None,
    ) -> None:
        self.retry_at = retry_at
        self.requested_until = requested_until  # if Greenhouse asked for longer than we wait
        super().__init__(sentence, evidence=evidence)


class UnreadableResponse(AtsError):
    """The response isn't what the documentation describes."""

    default_sentence = "Greenhouse sent a response we couldn't read."


class BadCredential(AtsError):
    default_sentence = "Greenhouse doesn't accept this credential."


class MissingPermission(AtsError):
    default_sentence = "The Greenhouse credential is missing a permission."

    def __init__(
        self, permission: str, sentence: str = "", *, evidence: Evidence | None = None
    ) -> None:
        self.permission = permission  # a key of the permission catalogue
        super().__init__(sentence, evidence=evidence)


# Harvest v3 returns lists only to Site Admins.
class NotSiteAdmin(AtsError):
    default_sentence = (
        "The Greenhouse user behind this credential is not a Site Admin, "
        "so Greenhouse shows it nothing."
    )


class ActingUserRefused(AtsError):
    default_sentence = "You don't have permission to do this in Greenhouse."


class NotFound(AtsError):
    default_sentence = "Greenhouse no longer has this record."


class FileRefused(AtsError):
    """The file is at an address that may not be asked, too large, or gone."""

    default_sentence = "Couldn't show this file."


class Conflict(AtsError):
    default_sentence = "This application changed in Greenhouse since you opened it."


class InvalidValues(AtsError):
    default_sentence = "Greenhouse didn't accept these values."

    def __init__(
        self,
        fields: dict[str, str] | None = None,
        sentence: str = "",
        *,
        evidence: Evidence | None = None,
    ) -> None:
        self.fields = fields or {}  # the ATS's field name -> its message
        super().__init__(sentence, evidence=evidence)


# How a list that extends others is refused: by a 403 or by a 422. It is left out.
LIST_REFUSALS = (MissingPermission, NotSiteAdmin, InvalidValues, Conflict)
