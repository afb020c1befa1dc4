"""Decode JSON one record at a time, so that a malformed record does not fail the whole list."""

# Nulls, missing or unknown fields and bad timestamps are tolerated. A record without its id or
# with a field of the wrong type is set aside entirely.

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from integrations.ats.emails import normalize_email
from integrations.ats.error_descriptions import describe_error
from integrations.ats.errors import UnreadableResponse
from integrations.ats.record_ids import RecordId, parse_id
from integrations.ats.types import UnreadableRecord
from integrations.greenhouse.payloads.json_scanner import find_top_level_id, split_array
from integrations.http.redaction import redact_text

Record = TypeVar("Record")
Wire = TypeVar("Wire", bound=msgspec.Struct)
RecordParser = Callable[[msgspec.Raw], Record]

RawTimestamp = str | int | float | None
RawText = str | int | float | None  # official examples have numbers where text is documented

MAX_RECORDS = 10_000  # of a page, which has 500 at most
# Of a whole body: each may take a hundred times its bytes once it is decoded.
_MAX_VALUES = 2_000_000
_ARRAY_DECODER = msgspec.json.Decoder(list[msgspec.Raw])
_MAX_ORDER = 2**31 - 1  # of an integer column


def decode_records(
    body: bytes, read: RecordParser[Record]
) -> tuple[tuple[Record, ...], tuple[UnreadableRecord, ...]]:
    """Decode a JSON array into records and unreadable ones. Raises UnreadableResponse."""
    records: list[Record] = []
    unreadable: list[UnreadableRecord] = []
    for raw in _decode_array(body):
        try:
            records.append(read(raw))
        except Exception as error:  # noqa: BLE001  # whatever it is, the others go on
            unreadable.append(
                UnreadableRecord(remote_id=_extract_id(bytes(raw)), reason=describe_error(error))
            )
    return tuple(records), tuple(unreadable)


def decode_record(body: bytes, read: RecordParser[Record]) -> Record:
    """Decode a single record. Raises UnreadableResponse."""
    check_value_count(body)
    try:
        return read(msgspec.Raw(body))
    except Exception as error:
        raise UnreadableResponse(
            f"Couldn't read Greenhouse's record: {describe_error(error)}"
        ) from error


def read_created_id(body: bytes) -> int | None:
    """The ID in the response to a request that created a record; None if it names none."""
    return _extract_id(body)


def make_reader(wire_type: type[Wire], convert: Callable[[Wire], Record]) -> RecordParser[Record]:
    """A reader that decodes JSON as `wire_type` and converts it to one of our types."""
    # Not strict: ids beyond 2**53 may be sent as strings.
    decode = msgspec.json.Decoder(wire_type, strict=False).decode
    return lambda raw: convert(decode(raw))


def parse_timestamp(value: RawTimestamp) -> datetime | None:
    """Parse ISO 8601, defaulting to UTC; None if it is not a timestamp."""
    if not isinstance(value, str) or not value:
        return None
    try:
        timestamp = datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        return timestamp.astimezone(UTC) if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    except OverflowError:
        return None


def to_text(value: RawText) -> str:
    """The value as text, "" for null, without null characters, which databases refuse."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    return "" if value is None else str(value)


def to_order(value: int | None) -> int:
    """A place in a list, within what an integer column holds; 0 for null."""
    return max(-_MAX_ORDER, min(value or 0, _MAX_ORDER))


def to_stripped_text(value: RawText) -> str | None:
    return to_text(value).strip() or None


def build_full_name(name: RawText, first: RawText, last: RawText) -> str:
    """`name`, else first and last name; may be empty (service accounts)."""
    return to_stripped_text(name) or " ".join(
        part for part in (to_stripped_text(first), to_stripped_text(last)) if part
    )


def unique_texts(values: Iterable[RawText]) -> tuple[str, ...]:
    """The non-empty texts in order, without duplicates (ignoring ASCII case)."""
    return tuple(
        {
            normalize_email(text_value): text_value
            for value in values
            if (text_value := to_stripped_text(value))
        }.values()
    )


def check_value_count(body: bytes) -> None:
    """Raises UnreadableResponse for a body that would take too much memory."""
    if body.count(b",") > _MAX_VALUES:
        raise UnreadableResponse("Greenhouse's response has too many values.")


def _decode_array(body: bytes) -> list[msgspec.Raw]:
    check_value_count(body)
    elements = _split_records(body)
    if elements is not None:
        if len(elements) > MAX_RECORDS:
            raise UnreadableResponse("Greenhouse's response has too many records.")
        return elements
    # While it prepares a list, Greenhouse answers {message} (documented for v3 candidates).
    if body.lstrip()[:1] == b"{":
        raise UnreadableResponse(
            "Greenhouse returned one object instead of a list: "
            f"{redact_text(_extract_message(body))}"
        )
    raise UnreadableResponse


def _split_records(body: bytes) -> list[msgspec.Raw] | None:
    try:
        return _ARRAY_DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    # One malformed or deeply nested record must not fail the others.
    elements = split_array(body)
    return None if elements is None else [msgspec.Raw(element) for element in elements]


def _extract_message(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_ErrorMessage).message or "no reason given"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "it is cut off"


class _ErrorMessage(msgspec.Struct):
    message: str | None = None


def _extract_id(raw: bytes) -> int | None:
    try:
        return msgspec.json.decode(raw, type=_RecordId, strict=False).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return parse_id(find_top_level_id(raw))


class _RecordId(msgspec.Struct):
    id: RecordId | None = None
