"""Every action in every fitting state under every fault has exactly one outcome."""

from __future__ import annotations

import html

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.models import ActionKind, ApplicationAction
from tests.personas import Personas
from tests.portal.applications.action_helpers import fetch_row, get_latest_action, list_writes
from tests.portal.applications.action_matrix import ACTION_STATES, WRITE, is_applied, perform_action

Status = ApplicationAction.Status

FAULTS = {
    "none": (None, Status.DONE, True),
    "dropped_after_write": ({"kind": "drop_after"}, Status.DONE, True),
    "dropped_before_write": ({"kind": "drop_before"}, Status.FAILED, False),
    "server_error": ({"status": 500}, Status.FAILED, False),
    "truncated_response": ({"kind": "truncated_json"}, Status.DONE, True),
    "rate_limited_once": ({"status": 429, "retry_after": 1}, Status.DONE, True),
    "forbidden": ({"status": 403, "body": {"message": "Access Denied"}}, Status.REFUSED, False),
    "unprocessable": (
        {"status": 422, "body": {"message": "Something else"}},
        Status.REFUSED,
        False,
    ),
    "html_response": ({"kind": "html"}, Status.FAILED, False),
}


@pytest.mark.slow("sends an action of every kind, from every state that it fits")
@pytest.mark.parametrize("fault", FAULTS)
def test_action_under_fault_has_one_outcome(
    connect,
    personas: Personas,
    sandbox: Sandbox,
    sign_in,
    run_tasks,
    advance_clock,
    pick_fresh_application,
    settings,
    kind: str,
    fault: str,
) -> None:
    settings.REJECT_UNDO_SECONDS = 0
    connect(kind)
    sam = sign_in(personas.sam)
    rule, status, applied = FAULTS[fault]
    for action_kind, state in ACTION_STATES:
        application = pick_fresh_application(state)
        before = len(list_writes(sandbox))
        method = "PATCH" if action_kind == ActionKind.UPDATE else "POST"
        if rule:
            sandbox.faults.add_fault(regex=WRITE, method=method, times=1, **rule)
        assert perform_action(sam, action_kind, application).status_code == 200, (
            action_kind,
            state,
        )
        run_tasks()
        _settle_actions(advance_clock, run_tasks)
        action = get_latest_action()
        assert (action.kind, action.status) == (action_kind, status), (
            action_kind,
            state,
            action.outcome,
        )
        assert is_applied(sandbox, action_kind, application) is applied, (action_kind, state)
        # Nothing is ever accepted twice.
        assert len(list_writes(sandbox)) - before <= 1, (action_kind, state)
        assert action.settled_at, (action_kind, state)
        assert action.outcome
        assert action.outcome in html.unescape(fetch_row(sam, application)), (
            action_kind,
            state,
        )
        sandbox.faults.clear_faults()


def _settle_actions(advance_clock, run_tasks) -> None:
    """Let half a minute pass, after which an unknown outcome is decided by reading."""
    if get_latest_action().is_open:
        advance_clock(40)
        outbox.release_due_actions()
        run_tasks()
