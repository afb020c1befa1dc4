"""What a worker calls, and how its turn ends."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.module_loading import import_string

from portal.core.tenancy.scope import organization_scope, start_without_scope

TURN_SECONDS = 20.0


class RetryLater(Exception):
    """Ends a task's turn: the same task comes again at `due_at`. No failure."""

    def __init__(self, due_at: datetime) -> None:
        super().__init__(f"again at {due_at:%Y-%m-%d %H:%M:%S}")
        self.due_at = due_at


class TaskTurn:
    """The time for which a long task may work before others go first."""

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + TURN_SECONDS

    def end_if_over(self) -> None:
        """Raises RetryLater. Call it where the task can go on from what is stored."""
        if time.monotonic() >= self._ends_at:
            raise RetryLater(timezone.now())


@dataclass(frozen=True)
class TaskCall:
    """Works for the organization of the task's row, whatever ran before in this process.

    Django-Q counts every exception as a failure, so RetryLater becomes a result.
    """

    path: str
    organization_id: int = 0  # 0: no customer's

    def __str__(self) -> str:
        return self.path

    def __call__(self, *ids: int) -> object:
        organization = self.organization_id
        scope = organization_scope(organization) if organization else nullcontext()
        try:
            with start_without_scope(), scope:
                return import_string(self.path)(*ids)
        except RetryLater as later:
            return later
