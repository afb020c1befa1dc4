"""One handler per action kind."""

from __future__ import annotations

from collections.abc import Mapping

from portal.applications.actions.handlers.advance import AdvanceHandler
from portal.applications.actions.handlers.base import ActionHandler
from portal.applications.actions.handlers.move import MoveHandler
from portal.applications.actions.handlers.note import NoteHandler
from portal.applications.actions.handlers.reject import RejectHandler
from portal.applications.actions.handlers.transfer import TransferHandler
from portal.applications.actions.handlers.unreject import UnrejectHandler
from portal.applications.actions.handlers.update import UpdateHandler
from portal.applications.models import ActionKind

ACTION_HANDLERS: Mapping[str, ActionHandler] = {
    handler.kind: handler
    for handler in (
        AdvanceHandler(),
        RejectHandler(),
        UnrejectHandler(),
        MoveHandler(),
        TransferHandler(),
        UpdateHandler(),
        NoteHandler(),
    )
}

__all__ = ["ACTION_HANDLERS", "ActionHandler", "ActionKind"]
