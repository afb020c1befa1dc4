"""What a worker calls."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass

from django.utils.module_loading import import_string

from integrations.ats.error_descriptions import describe_error
from portal.core.broker.task_turns import RetryLater
from portal.core.tenancy.scope import organization_scope, start_without_scope

logger = logging.getLogger(__name__)


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
