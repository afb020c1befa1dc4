"""Decode JSON one record at a time, so that a malformed record does not fail the whole list."""

# Nulls, missing or unknown fields and bad timestamps are tolerated. A record without its id or
# with a field of the wrong type is set aside entirely.

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from integrations.ats.emails import normalize_email
from integrations.ats.error_descriptions import describe_error
from integrations.ats.errors import UnreadableResponse
from integrations.ats.record_ids import RecordId, parse_id
from integrations.ats.types import ChangeFilter, UnreadableRecord
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
_encode_wires = msgspec.json.Encoder().encode_lines


class RecordReader(Generic[Record]):
    """Decodes JSON as a wire type and converts it to one of our types."""

    def __init__(
        self,
        wire_type: type[msgspec.Struct],
        convert: Callable[[Any], Record],
        *,
        fields: Sequence[str] | None = None,
    ) -> None:
        # Not strict: ids beyond 2**53 may be sent as strings.
        self._decode = msgspec.json.Decoder(wire_type, strict=False).decode
        self._decode_list = msgspec.json.Decoder(
            list[wire_type],  # type: ignore[valid-type]
            strict=False,
        ).decode
        self.convert = convert
        # The names of all that is read of a record.
        self.fields = tuple(
            fields or (field.encode_name for field in msgspec.structs.fields(wire_type))
        )

    def __call__(self, raw: msgspec.Raw | bytes) -> Record:
        return self.convert(self._decode(raw))

    def decode_list(self, body: bytes) -> list[Any] | None:
        """Decode a whole list at once; None if any of its records is malformed."""
        try:
            return self._decode_list(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None


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


def decode_changed_records(
    body: bytes, read: RecordReader[Record], changes: ChangeFilter
) -> tuple[tuple[Record, ...], tuple[UnreadableRecord, ...], tuple[int, ...]]:
    """Decode an array as `decode_records` does, except for records that are known as they are.

    Returns their ids as well. Where one record is malformed, all of the array are decoded.
    """
    check_value_count(body)
    wires = read.decode_list(body) or []
    fingerprints = _compute_fingerprints(wires, changes) if len(wires) <= MAX_RECORDS else {}
    if not fingerprints:
        return (*decode_records(body, read), ())
    changed_ids = changes.select_changed(fingerprints)
    try:
        records = tuple(
            _convert_compared(wire, read, fingerprints[wire.id])
            for wire in wires
            if wire.id in changed_ids
        )
    except Exception:  # noqa: BLE001  # of one record, which is to be set aside alone
        return (*decode_records(body, read), ())
    return records, (), tuple(fingerprints.keys() - changed_ids)


def _compute_fingerprints(wires: Sequence[Any], changes: ChangeFilter) -> dict[int, int]:
    # Only what is read of a record counts: not its links, for example, which expire.
    try:
        documents = _encode_wires(wires).split(b"\n")[:-1]
        ids = [wire.id for wire in wires]
        return dict(zip(ids, changes.compute_fingerprints(documents), strict=True))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}


def _convert_compared(wire: Any, read: RecordReader[Record], fingerprint: int) -> Record:
    record = read.convert(wire)
    msgspec.structs.force_setattr(record, "fingerprint", fingerprint)  # type: ignore[arg-type]
    return record


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


def make_reader(
    wire_type: type[Wire], convert: Callable[[Wire], Record], *, fields: Sequence[str] | None = None
) -> RecordReader[Record]:
    """`fields` names what to ask Greenhouse for, where that is not all of the wire type's."""
    return RecordReader(wire_type, convert, fields=fields)


def parse_timestamp(value: RawTimestamp) -> datetime | None:
    """Parse ISO 8601, defaulting to UTC; None if it is not a timestamp."""
    if not isinstance(value, str) or not value:
        return None
    try:
        timestamp = datetime.fromisoformat(value)
    except ValueError:
        return None
    if timestamp.tzinfo is UTC:
        return timestamp
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
    return None if value is None else to_text(value).strip() or None


def build_full_name(name: RawText, first: RawText, last: RawText) -> str:
    """`name`, else first and last name; may be empty (service accounts)."""
    return to_stripped_text(name) or " ".join(
        part for part in (to_stripped_text(first), to_stripped_text(last)) if part
    )


def unique_texts(values: Iterable[RawText]) -> tuple[str, ...]:
    """The non-empty texts in order, without duplicates (ignoring ASCII case)."""
    texts = [text_value for value in values if (text_value := to_stripped_text(value))]
    if len(texts) < 2:
        return tuple(texts)
    return tuple({normalize_email(text_value): text_value for text_value in texts}.values())


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
