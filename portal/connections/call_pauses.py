"""Records when calls to a customer's Greenhouse are paused, for staff and metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DatabaseError, transaction

from integrations.ats import client_context
from portal.connections.models import CallPause
from portal.core.database.thread_connections import ThreadOwner

logger = logging.getLogger(__name__)


def build_recorder(connection_id: int) -> Callable[[client_context.CallPause | None], None]:
    owner = ThreadOwner()

    def record_pause(pause: client_context.CallPause | None) -> None:
        with owner.lend_scope():
            try:
                with transaction.atomic():
                    _store_pause(connection_id, pause)
            except DatabaseError:  # the connection may just have been deleted
                logger.exception("The pause of connection %s was not recorded", connection_id)

    return record_pause


def _store_pause(connection_id: int, pause: client_context.CallPause | None) -> None:
    if pause is None:
        CallPause.objects.filter(connection=connection_id).delete()
        return
    values = {
        "cause": pause.cause.value,
        "until": pause.until,
        "requested_until": pause.requested_until,
    }
    CallPause.objects.update_or_create(connection_id=connection_id, defaults=values)
