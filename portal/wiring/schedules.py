"""The recurring tasks of all packages; each package has its intervals in `tasks.SCHEDULES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from portal.applications import tasks as applications
from portal.connections import tasks as connections
from portal.core.queue import register_schedules
from portal.jobs import tasks as jobs
from portal.members import tasks as members
from portal.notifications import tasks as notifications
from portal.onboarding import tasks as onboarding
from portal.privacy import tasks as privacy
from portal.support import tasks as support
from portal.sync import tasks as sync
from portal.webhooks import tasks as webhooks

SCHEDULES: tuple[Mapping[Callable[[], None], int], ...] = (
    notifications.SCHEDULES,
    members.SCHEDULES,
    connections.SCHEDULES,
    sync.SCHEDULES,
    webhooks.SCHEDULES,
    jobs.SCHEDULES,
    applications.SCHEDULES,
    onboarding.SCHEDULES,
    support.SCHEDULES,
    privacy.SCHEDULES,
)


def list_scheduled_tasks() -> dict[str, int]:
    """Return each task's dotted path and its interval in minutes."""
    return {
        f"{task.__module__}.{task.__name__}": minutes
        for schedules in SCHEDULES
        for task, minutes in schedules.items()
    }


def schedule_recurring_tasks(**_: Any) -> None:
    register_schedules(list_scheduled_tasks())
