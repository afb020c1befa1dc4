"""Counts and labels of a batch for its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal.applications.models import ApplicationAction

Status = ApplicationAction.Status


@dataclass(frozen=True)
class BatchProgress:
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def total_text(self) -> str:
        return f"{self.total:,}"

    @property
    def done(self) -> int:
        return self.counts.get(Status.DONE, 0)

    @property
    def canceled(self) -> int:
        return self.counts.get(Status.CANCELED, 0)

    @property
    def failed(self) -> int:
        return sum(self.counts.get(s, 0) for s in (Status.FAILED, Status.CONFLICT, Status.REFUSED))

    @property
    def open(self) -> int:
        return sum(self.counts.get(status, 0) for status in ApplicationAction.OPEN_STATUSES)

    @property
    def pending(self) -> int:
        return self.counts.get(Status.PENDING, 0)

    @property
    def waiting(self) -> int:
        return sum(self.counts.get(status, 0) for status in ApplicationAction.CANCELABLE_STATUSES)

    @property
    def settled(self) -> int:
        return self.total - self.open - self.pending
