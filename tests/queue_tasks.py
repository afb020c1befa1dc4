"""Tasks for worker processes of tests."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

from django.utils import timezone

from portal.core.models import SharedState


def kill_first_worker(task_number: int) -> None:
    """Killed in the middle the first time, like a worker that ran out of memory."""
    row, is_first = SharedState.objects.get_or_create(
        key=f"task {task_number}",
        defaults={"value": b"started", "expires_at": timezone.now() + timedelta(hours=1)},
    )
    if is_first:
        os.kill(os.getpid(), signal.SIGKILL)
    row.value = b"done"
    row.save()
