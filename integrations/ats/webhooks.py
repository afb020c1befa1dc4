"""Web hooks: how an ATS tells by itself that something changed, in words that fit any of them.

A delivery is a hint to read records again, never the truth: it may come twice, late, out of order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec


class Subject(StrEnum):
    """The kind of record that an event is about. NOTHING: none that we hold."""

    APPLICATION = "application"
    CANDIDATE = "candidate"
    JOB = "job"
    NOTHING = ""


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """An event, and the ids that it names.

    `gone` is True where the record of the event itself was deleted, anonymised or merged away;
    `merged_into` is the candidate that survives a merge.
    """

    action: str
    subject: Subject = Subject.NOTHING
    application_ids: tuple[int, ...] = ()
    candidate_ids: tuple[int, ...] = ()
    job_ids: tuple[int, ...] = ()
    job_post_ids: tuple[int, ...] = ()
    stage_ids: tuple[int, ...] = ()
    merged_into: int | None = None
    gone: bool = False


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A web hook that the customer can make, in the order and words of the ATS's own screen.

    `tells` names what a sync would find instead if the hook were not there: a kind of record, then
    `created` or `changed` ("jobs.changed"). A hook that brings something extra is `optional`.
    """

    action: str
    group: str
    label: str
    gives: str
    tells: str = ""
    optional: bool = False


class WebHooks(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's web hooks. `events` in the order of its screen, `place` says where that is."""

    signature_header: str
    id_header: str
    place: str
    ping: str  # the action of the delivery that only tries the address
    events: Sequence[Event]
    is_signed: Callable[[bytes, str, str], bool]  # body, signature, secret
    sign: Callable[[bytes, str], str]  # body, secret
    read_event: Callable[[bytes], Hint]  # raises UnreadableAnswer
