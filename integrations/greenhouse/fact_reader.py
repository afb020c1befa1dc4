"""What the fact report reads, and how a fact is told."""

# Evidence consists of counts, statuses and path templates, never of a record's content.

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from integrations.ats.errors import AtsError
from integrations.greenhouse.client.harvest_v1 import HarvestV1
from integrations.greenhouse.client.harvest_v3 import HarvestV3
from integrations.greenhouse.payloads.decoding import check_value_count


class Verdict(StrEnum):
    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    UNKNOWN = "could not tell"


@dataclass(frozen=True)
class Fact:
    name: str
    verdict: Verdict
    evidence: str


Answer = tuple[Verdict, str]
Row = dict[str, Any]


class FactReader:
    def __init__(self, provider: HarvestV1 | HarvestV3) -> None:
        self._provider = provider

    def read_rows(self, path: str, **params: Any) -> list[Row]:
        """The first page of a list. Raises AtsError."""
        texts = {name: str(value) for name, value in params.items()}
        content = self._provider.read_path(path, texts).body
        check_value_count(content)
        body = msgspec.json.decode(content)
        return [row for row in body if isinstance(row, dict)] if isinstance(body, list) else []

    def read_status(self, path: str, **params: Any) -> int | None:
        try:
            self.read_rows(path, **params)
        except AtsError as error:
            return error.evidence.status if error.evidence else None
        return 200

    def read_status_as(self, user_id: int, path: str) -> int | None:
        """The status of the read, or of the request for that user's token."""
        try:
            self._provider.read_path(path, {"per_page": "1"}, acting_user_id=user_id)
        except AtsError as error:
            return error.evidence.status if error.evidence else None
        return 200

    def read_header(self, path: str, name: str) -> str:
        return self._provider.read_path(path, {"per_page": "1"}).headers.get(name) or ""


def judge_fact(holds: bool, evidence: str) -> Answer:
    return (Verdict.CONFIRMED if holds else Verdict.CONTRADICTED), evidence
