"""Every action in every fitting state under every fault has exactly one outcome."""

from __future__ import annotations

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction, Kind
from tests.cast import Cast
from tests.portal.applications.cells import ACTION_STATES, WRITE, is_applied, perform_action
from tests.portal.applications.clicking import newest, shown, writes

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
    cast: Cast,
    sandbox: Sandbox,
    sign_in,
    work,
    later,
    fresh,
    settings,
    kind: str,
    fault: str,
) -> None:
    settings.REJECT_HOLD_SECONDS = 0
    connect(kind)
    sam = sign_in(cast.sam)
    rule, status, applied = FAULTS[fault]
    for action_kind, state in ACTION_STATES:
        application = fresh(state)
        before = len(writes(sandbox))
        method = "PATCH" if action_kind == Kind.UPDATE else "POST"
        if rule:
            sandbox.faults.add(regex=WRITE, method=method, times=1, **rule)
        assert perform_action(sam, action_kind, application).status_code == 200, (
            action_kind,
            state,
        )
        work()
        _settle(later, work)
        action = newest()
        assert (action.kind, action.status) == (action_kind, status), (
            action_kind,
            state,
            action.outcome,
        )
        assert is_applied(sandbox, action_kind, application) is applied, (action_kind, state)
        # Nothing is ever accepted twice.
        assert len(writes(sandbox)) - before <= 1, (action_kind, state)
        assert action.settled_at, (action_kind, state)
        assert action.outcome
        assert action.outcome in shown(sam, application).replace("&quot;", '"'), (
            action_kind,
            state,
        )
        sandbox.faults.clear()


def _settle(later, work) -> None:
    """Let half a minute pass, after which an unknown outcome is decided by reading."""
    if newest().is_open:
        later(40)
        outbox.release()
        work()
