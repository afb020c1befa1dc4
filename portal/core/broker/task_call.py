"""What a worker calls, and how its turn ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.module_loading import import_string


class RetryLater(Exception):
    """Ends a task's turn: the same task comes again at `due_at`. No failure."""

    def __init__(self, due_at: datetime) -> None:
        super().__init__(f"again at {due_at:%Y-%m-%d %H:%M:%S}")
        self.due_at = due_at


@dataclass(frozen=True)
class TaskCall:
    """Django-Q counts every exception as a failure, so RetryLater becomes a result."""

    path: str

    def __str__(self) -> str:
        return self.path

    def __call__(self, *ids: int) -> object:
        try:
            return import_string(self.path)(*ids)
        except RetryLater as later:
            return later
