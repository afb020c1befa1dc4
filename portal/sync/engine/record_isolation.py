"""One record that cannot be read or written never stops the others of its page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from django.db import transaction

from integrations.ats.error_descriptions import describe_error
from integrations.ats.errors import AtsError
from integrations.ats.types import Page, UnreadableRecord
from portal.connections.models import Connection
from portal.core.database.outages import DATABASE_AWAY
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.engine.steps import StepDefinition
from portal.sync.engine.upsert import WriteResult
from portal.sync.models import SyncStep

logger = logging.getLogger(__name__)

MAX_NAMED_RECORDS = 20
# Returns what was written, and the records that could not be.
WriteRecords = Callable[
    [StepDefinition, Connection, Sequence[Any]], tuple[WriteResult, tuple[Any, ...]]
]


def write_together(
    definition: StepDefinition, connection: Connection, records: Sequence[Any]
) -> tuple[WriteResult, tuple[Any, ...]]:
    """Write all of the records or raise, without a savepoint."""
    return (definition.write(connection, records) if records else WriteResult()), ()


def write_separately(
    definition: StepDefinition, connection: Connection, records: Sequence[Any]
) -> tuple[WriteResult, tuple[Any, ...]]:
    """Write the records; return what was written, and the records that could not be. Call within
    a transaction.
    """
    if not records:
        return WriteResult(), ()
    try:
        with transaction.atomic():
            return definition.write(connection, records), ()
    except (AtsError, *DATABASE_AWAY):
        raise  # not about a record
    except Exception as error:  # noqa: BLE001  # whatever it is, the others go on
        if len(records) <= 1:
            logger.error(
                "A record of %s is not writable: %s", definition.kind, describe_error(error)
            )
            return WriteResult(), tuple(records)
    middle = len(records) // 2
    first, failed = write_separately(definition, connection, records[:middle])
    second, failed_too = write_separately(definition, connection, records[middle:])
    written = WriteResult(
        record_count=first.record_count + second.record_count,
        created=first.created + second.created,
        changed=first.changed + second.changed,
    )
    return written, failed + failed_too


def set_aside_records(page: Page[Any], failed: Sequence[Any]) -> Page[Any]:
    if not failed:
        return page
    unwritable = tuple(
        UnreadableRecord(remote_id=getattr(record, "id", None), reason="could not be stored")
        for record in failed
    )
    return msgspec.structs.replace(
        page,
        records=tuple(record for record in page.records if record not in failed),
        set_aside=page.set_aside + unwritable,
    )


def report_unreadable_records(
    connection: Connection,
    definition: StepDefinition,
    step: SyncStep,
    unreadable: Sequence[UnreadableRecord],
) -> None:
    """Name them on the step, and tell the customer's admins and customer success."""
    step.refresh_from_db(fields=["unreadable_ids", "unreadable_count"])
    names = [str(record.remote_id or "without an id") for record in unreadable]
    step.unreadable_ids = [*step.unreadable_ids, *names][:MAX_NAMED_RECORDS]
    step.save(update_fields=["unreadable_ids"])
    count = step.unreadable_count + len(unreadable)
    service.open_issue(
        connection.organization,
        Issue.Cause.UNREADABLE_RECORDS,
        key=definition.kind,
        title=f"{definition.label}: {count} could not be read",
        description="Greenhouse sent records that we couldn't read, so they were skipped. "
        f"IDs in Greenhouse: {', '.join(step.unreadable_ids)}.",
        severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.CSM,
        details={"count": count},
    )


def resolve_unreadable_records(connection: Connection, definition: StepDefinition) -> None:
    service.resolve_issues(
        connection.organization,
        Issue.Cause.UNREADABLE_RECORDS,
        key=definition.kind,
        why="every record of a complete list was read",
    )
