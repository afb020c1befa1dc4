"""What a worker calls, and how its turn ends."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.module_loading import import_string

from integrations.ats.error_descriptions import describe_error
from portal.core.tenancy.scope import organization_scope, start_without_scope

logger = logging.getLogger(__name__)

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


class TaskFailed(Exception):
    """Replaces a task's exception: Django-Q logs and stores texts, which may quote a record."""


@dataclass(frozen=True)
class TaskCall:
    """Works for the organization of the task's row, whatever ran before in this process.

    Django-Q counts every exception as a failure, so RetryLater becomes a result.
    """

    path: str

    def __str__(self) -> str:
        return self.path

    def __call__(self, *ids: int, organization_id: int = 0) -> object:
        """`organization_id` 0: no customer's."""
        scope = organization_scope(organization_id) if organization_id else nullcontext()
        try:
            with start_without_scope(), scope:
                return import_string(self.path)(*ids)
        except RetryLater as later:
            return later
        except Exception as error:
            logger.exception("Task %s failed", self.path)
            raise TaskFailed(describe_error(error)) from None
