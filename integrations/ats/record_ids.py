"""The bounds of a record's id: positive, and at most what databases store in 64 bits."""

from __future__ import annotations

from typing import Annotated, TypeGuard

import msgspec

MAX_ID = 2**63 - 1
RecordId = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]


def is_record_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_ID


def parse_id(text: str) -> int | None:
    """Parse an id; `int` would accept signs, blanks and digits of other scripts, too."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_ID)):
        return None
    record_id = int(text)
    return record_id if is_record_id(record_id) else None
