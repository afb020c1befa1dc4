from __future__ import annotations

from integrations.ats.record_ids import parse_id as parse_id


class IdConverter:
    """`<id:…>` in URLs: a positive id that a database can hold."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        record_id = parse_id(value)
        if record_id is None:
            raise ValueError(value)
        return record_id

    def to_url(self, value: object) -> str:
        return str(value)
