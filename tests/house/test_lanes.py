"""Every task that is enqueued or scheduled has a lane, and every declared task exists."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

from portal.core.queue import QueueLane
from portal.wiring.lanes import TASK_OPTIONS
from portal.wiring.schedules import list_scheduled_tasks

PORTAL = Path(__file__).resolve().parents[2] / "portal"
LONGEST_TIMEOUT_SECONDS = 600


def _list_task_functions() -> set[str]:
    """Every public function of a `tasks` module."""
    return {
        f"portal.{path.parent.name}.tasks.{node.name}"
        for path in PORTAL.glob("*/tasks.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def test_every_task_has_a_lane() -> None:
    assert set(TASK_OPTIONS) == _list_task_functions()


def test_every_schedule_has_a_lane() -> None:
    assert set(list_scheduled_tasks()) <= set(TASK_OPTIONS)


def test_declared_tasks_are_functions() -> None:
    for task in TASK_OPTIONS:
        module, name = task.rsplit(".", 1)
        assert callable(getattr(import_module(module), name)), task


def test_long_timeouts_are_for_syncs_only() -> None:
    for task, options in TASK_OPTIONS.items():
        if options.timeout_seconds is not None:
            assert options.lane == QueueLane.SYNCS, task
            assert options.timeout_seconds <= LONGEST_TIMEOUT_SECONDS, task
