"""Each action, in each state that it fits, under each fault: one true outcome, nothing twice."""

from __future__ import annotations

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction, Kind
from tests.cast import Cast
from tests.portal.applications.cells import DEEDS, WRITE, do, happened
from tests.portal.applications.clicking import newest, shown, writes

Status = ApplicationAction.Status

FAULTS = {
    "none": (None, Status.DONE, True),
    "dropped after doing it": ({"kind": "drop_after"}, Status.DONE, True),
    "dropped before doing it": ({"kind": "drop_before"}, Status.FAILED, False),
    "a 500 instead of doing it": ({"status": 500}, Status.FAILED, False),
    "half an answer after doing it": ({"kind": "truncated_json"}, Status.DONE, True),
    "a 429 first": ({"status": 429, "retry_after": 1}, Status.DONE, True),
    "a refusal": ({"status": 403, "body": {"message": "Access Denied"}}, Status.REFUSED, False),
    "a 422": ({"status": 422, "body": {"message": "Something else"}}, Status.REFUSED, False),
    "a web page instead of an answer": ({"kind": "html"}, Status.FAILED, False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_action_under_each_fault_has_one_true_outcome(
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
    words, status, done = FAULTS[fault]
    for deed, state in DEEDS:
        one = fresh(state)
        before = len(writes(sandbox))
        method = "PATCH" if deed == Kind.UPDATE else "POST"
        if words:
            sandbox.faults.add(regex=WRITE, method=method, times=1, **words)
        assert do(sam, deed, one).status_code == 200, (deed, state)
        work()
        _let_it_settle(later, work)
        action = newest()
        assert (action.kind, action.status) == (deed, status), (deed, state, action.outcome)
        assert happened(sandbox, deed, one) is done, (deed, state)
        # v1 answers a transfer and others in one request; nothing is ever accepted twice.
        assert len(writes(sandbox)) - before <= 1, (deed, state)
        assert action.settled_at, (deed, state)
        assert action.outcome in shown(sam, one).replace("&quot;", '"'), (deed, state)
        sandbox.faults.clear()


def _let_it_settle(later, work) -> None:
    """Half a minute later the rest is known: what was not there by then did not happen."""
    if newest().is_open:
        later(40)
        outbox.release()
        work()
