"""Recurring tasks on their way from Django-Q's schedules to the queue."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import Schedule
from django_q.scheduler import scheduler
from time_machine import TimeMachineFixture

from portal.core.models import QueuedTask
from portal.wiring.schedules import list_scheduled_tasks, schedule_recurring_tasks


@pytest.mark.django_db(transaction=True)  # Django-Q closes old connections
def test_scheduled_tasks_are_due_one_after_another(time_machine: TimeMachineFixture) -> None:
    time_machine.move_to(timezone.now().replace(microsecond=0), tick=False)
    schedule_recurring_tasks()
    Schedule.objects.update(next_run=timezone.now() - timedelta(seconds=1))
    scheduler(broker=get_broker())  # as Django-Q's guard does twice a minute
    due_times = QueuedTask.objects.order_by("due_at").values_list("due_at", flat=True)
    assert len(due_times) == len(list_scheduled_tasks())
    seconds = Counter(moment.replace(microsecond=0) for moment in due_times)
    assert max(seconds.values()) <= 4
    assert due_times[len(due_times) - 1] <= timezone.now() + timedelta(seconds=10)
