"""What can go wrong between us and an applicant tracking system (ATS).

::

    AtsError
    ├── no usable answer
    │   ├── AtsDown              it did not answer, or answered 5xx; nothing was changed
    │   ├── OutcomeUnknown       a write left us and its answer was lost: it may have happened
    │   ├── RateLimited(until)   too many requests; may be asked again at `until`
    │   └── UnreadableAnswer     it answered with something that is not what its documentation says
    └── it answered "no"
        ├── BadCredential        the credential itself is not accepted
        ├── MissingPermission    the credential lacks one permission
        ├── NotSiteAdmin         the credential reads as a user who may not read lists
        ├── ActingUserRefused    the person in whose name we act lacks the right
        ├── NotFound             there is no such record
        ├── Conflict             the record is no longer as the person saw it
        └── Invalid(fields)      the values sent are not accepted

Each carries a `sentence` for the person in front of the screen and, where a call was made, the
redacted `evidence`. Exception texts hold no secrets and no personal data: they may be logged.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked and answered, safe to store and to show.

    `path` is the template of the path (``/v3/applications/{id}``), never a real id; `message` is
    the ATS's own text with secrets, addresses and long numbers blotted out.
    """

    method: str
    path: str
    status: int | None
    message: str
    at: datetime
    request_id: str | None = None


class AtsError(Exception):
    """Base of everything the port raises. `sentence` is written for a person, not for a log."""

    default_sentence: ClassVar[str] = "Something went wrong while talking to Greenhouse."

    def __init__(self, sentence: str = "", *, evidence: Evidence | None = None) -> None:
        self.sentence = sentence or self.default_sentence
        self.evidence = evidence
        super().__init__(self.sentence)


class AtsDown(AtsError):
    """No answer or a 5xx. Nothing was changed, so the same request may be made again."""

    default_sentence = (
        "Greenhouse is not answering at the moment. Nothing was changed; please try again shortly."
    )


class OutcomeUnknown(AtsError):
    """A write was sent and its answer lost. Read the record again before doing anything else."""

    default_sentence = (
        "Greenhouse's answer was lost on the way. We are checking what really happened."
    )


class RateLimited(AtsError):
    """Too many requests. `until` (aware, UTC) is when the ATS may be asked again."""

    default_sentence = "Greenhouse asks us to slow down. We go on by ourselves in a moment."

    def __init__(
        self, until: datetime, sentence: str = "", *, evidence: Evidence | None = None
    ) -> None:
        self.until = until
        super().__init__(sentence, evidence=evidence)


class UnreadableAnswer(AtsError):
    """The answer is not what the documentation describes (HTML, cut-off JSON, another shape)."""

    default_sentence = (
        "Greenhouse answered with something we could not read. Nothing here was changed."
    )


class BadCredential(AtsError):
    """The ATS does not accept the credential: mistyped, revoked or retired."""

    default_sentence = "Greenhouse does not accept this credential."


class MissingPermission(AtsError):
    """The credential works but lacks `permission` (a key of the permission catalogue)."""

    default_sentence = "The Greenhouse credential lacks a permission that this needs."

    def __init__(
        self, permission: str, sentence: str = "", *, evidence: Evidence | None = None
    ) -> None:
        self.permission = permission
        super().__init__(sentence, evidence=evidence)


class NotSiteAdmin(AtsError):
    """Harvest v3 answers lists only to a Site Admin; the credential reads as somebody else."""

    default_sentence = (
        "The Greenhouse user behind this credential is not a Site Admin, "
        "so Greenhouse shows it nothing."
    )


class ActingUserRefused(AtsError):
    """Greenhouse refuses the person in whose name we acted."""

    default_sentence = "Greenhouse does not let you do this. Your rights there decide."


class NotFound(AtsError):
    """There is no such record (any more), or the acting user may not know of it."""

    default_sentence = "Greenhouse no longer has this record."


class Conflict(AtsError):
    """The record changed since the person looked: a stale stage, already rejected."""

    default_sentence = "This application changed in Greenhouse since you opened it."


class Invalid(AtsError):
    """The values are not accepted. `fields` maps the ATS's field name to its words."""

    default_sentence = "Greenhouse does not accept these values."

    def __init__(
        self,
        fields: dict[str, str] | None = None,
        sentence: str = "",
        *,
        evidence: Evidence | None = None,
    ) -> None:
        self.fields = fields or {}
        super().__init__(sentence, evidence=evidence)
