"""The lane of each task, and how many workers a lane and a customer may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings

from portal.core.models import QueueLane


@dataclass(frozen=True)
class TaskOptions:
    """`timeout_seconds`: for maintenance that needs more than the usual minute."""

    lane: QueueLane
    timeout_seconds: int | None = None


class TaskWithoutLane(LookupError):
    pass


_OPTIONS_BY_TASK: dict[str, TaskOptions] = {}


def register_task_options(options_by_task: Mapping[str, TaskOptions]) -> None:
    """Declare tasks by dotted path; only declared tasks can be enqueued."""
    _OPTIONS_BY_TASK.update(options_by_task)


def get_task_options(task: str) -> TaskOptions:
    try:
        return _OPTIONS_BY_TASK[task]
    except KeyError:
        raise TaskWithoutLane(task) from None


def get_served_lanes() -> tuple[QueueLane, ...]:
    """Return the lanes this cluster serves, earliest first."""
    return tuple(lane for lane in QueueLane if lane in settings.QUEUE_LANES)


@dataclass(frozen=True)
class LeasedTask:
    task_id: int
    lane: str
    organization_id: int


class WorkerShares:
    """Which tasks a cluster of `workers` processes may start beside those it has.

    Limits are for a lane together with the later ones, so that earlier lanes find a free worker.
    """

    def __init__(self, workers: int, lanes: tuple[QueueLane, ...]) -> None:
        self.lanes, self.workers = lanes, workers
        self._limits = [
            _compute_lane_limit(workers, lane, is_first=lane == lanes[0]) for lane in lanes
        ]
        # Half of the workers; of those for syncs too, so that its own checks can overtake.
        self._customer_limits = [
            max(1, min(workers // 2, (limit + 1) // 2)) for limit in self._limits
        ]

    def is_lane_open(self, lane: QueueLane, leased: Iterable[LeasedTask]) -> bool:
        lanes = [task.lane for task in leased]
        return all(
            sum(lane in self.lanes[start:] for lane in lanes) < self._limits[start]
            for start in self._list_group_starts(lane)
        )

    def list_busy_customers(self, lane: QueueLane, leased: Iterable[LeasedTask]) -> set[int]:
        """Return the customers who may start nothing more in this lane."""
        tasks = list(leased)
        if len(tasks) >= self.workers - 1:
            return {task.organization_id for task in tasks}  # the last worker is for others
        return {
            task.organization_id
            for task in tasks
            for start in self._list_group_starts(lane)
            if sum(
                other.organization_id == task.organization_id and other.lane in self.lanes[start:]
                for other in tasks
            )
            >= self._customer_limits[start]
        }

    def _list_group_starts(self, lane: QueueLane) -> range:
        return range(self.lanes.index(lane) + 1)


def _compute_lane_limit(workers: int, lane: QueueLane, *, is_first: bool) -> int:
    if is_first:
        return workers
    return max(1, workers // 2 if lane == QueueLane.SYNCS else workers - 1)
