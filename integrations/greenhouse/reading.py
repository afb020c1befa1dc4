"""Reading JSON that may be odd: one record at a time, so that one odd record stops nothing.

Tolerant where it is harmless (nulls, missing and new fields, timestamps that are none), strict
where it matters: a record without its id, or with a field of another type, is set aside whole
rather than read half.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from integrations.ats.emails import normalize_email
from integrations.ats.errors import UnreadableAnswer
from integrations.ats.types import SetAside
from integrations.http.redact import redact

Record = TypeVar("Record")
Wire = TypeVar("Wire", bound=msgspec.Struct)
Reader = Callable[[msgspec.Raw], Record]

Moment = str | int | float | None  # a timestamp as it stands in the JSON
Text = str | int | float | None  # official examples hold numbers where text is documented

_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])
_ID = re.compile(rb'"id"\s*:\s*"?(\d{1,19})')


class Unfit(ValueError):
    """The record says something that cannot be."""


def read_records(
    body: bytes, read: Reader[Record]
) -> tuple[tuple[Record, ...], tuple[SetAside, ...]]:
    """The records of a JSON array, and those that could not be read, with id and reason.

    Raises UnreadableAnswer where `body` is no JSON array at all. Greenhouse answers an object with
    `message` instead of a list where it prepares the list first (documented for v3 candidates).
    """
    records: list[Record] = []
    aside: list[SetAside] = []
    for raw in _array(body):
        try:
            records.append(read(raw))
        except (msgspec.MsgspecError, Unfit) as error:
            aside.append(SetAside(remote_id=_id_in(bytes(raw)), reason=redact(str(error))))
    return tuple(records), tuple(aside)


def read_one(body: bytes, read: Reader[Record]) -> Record:
    """The record that `body` is. Raises UnreadableAnswer where it cannot be read."""
    try:
        return read(msgspec.Raw(body))
    except (msgspec.MsgspecError, Unfit, UnicodeDecodeError) as error:
        raise UnreadableAnswer(
            f"Greenhouse's record could not be read: {redact(str(error))}"
        ) from error


def reader(wire: type[Wire], translate: Callable[[Wire], Record]) -> Reader[Record]:
    """A reader that decodes as `wire` and translates that into a record of ours.

    Decoding is lax about numbers in strings: ids beyond 2**53 travel as strings at times.
    """
    decode = msgspec.json.Decoder(wire, strict=False).decode
    return lambda raw: translate(decode(raw))


def moment(value: Moment) -> datetime | None:
    """An ISO-8601 timestamp (UTC where it names no zone); None where it is none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except OverflowError:
        return None


def text(value: Text) -> str:
    """Text as it stands; "" for null. Null characters, which databases refuse, are left out."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    return "" if value is None else str(value)


def words(value: Text) -> str | None:
    """Text without blanks around it; None where nothing is left."""
    return text(value).strip() or None


def full_name(name: Text, first: Text, last: Text) -> str:
    """`name`, or what first and last name give; may be empty (service accounts)."""
    return words(name) or " ".join(part for part in (words(first), words(last)) if part)


def distinct(values: Iterable[Text]) -> tuple[str, ...]:
    """The texts that are there, once each (A to Z without regard to case), in order."""
    return tuple({normalize_email(found): found for v in values if (found := words(v))}.values())


def _array(body: bytes) -> list[msgspec.Raw]:
    try:
        return _RECORDS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    if body.lstrip()[:1] == b"{":
        raise UnreadableAnswer(
            f"Greenhouse answered with one object instead of a list: {redact(_message(body))}"
        )
    raise UnreadableAnswer


def _message(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Message).message or "no reason given"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "it is cut off"


class _Message(msgspec.Struct):
    message: str | None = None


def _id_in(raw: bytes) -> int | None:
    """The id of a record that could not be read: by JSON where possible, else by its look."""
    try:
        value = msgspec.json.decode(raw, type=_Named, strict=False).id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = _ID.search(raw)
        value = int(found[1]) if found else None
    return value


class _Named(msgspec.Struct):
    id: int | None = None
