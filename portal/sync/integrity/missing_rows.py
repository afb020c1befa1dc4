"""Rows missing from a complete list, which may be hidden rather than deleted."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection as database
from django.db.models import Count, Q, QuerySet

from integrations.ats.errors import LIST_REFUSALS, NotFound
from integrations.ats.types import JobGrant as JobGrantRecord
from integrations.ats.types import Page, UnreadableRecord
from integrations.greenhouse.provider import Provider
from portal.connections.models import Connection
from portal.core.database.prepared_statements import send_values_apart
from portal.sync.engine import page_statements
from portal.sync.engine.steps import StepDefinition
from portal.sync.engine.upsert import format_array, get_request_time
from portal.sync.integrity import mass_deletion_guard
from portal.sync.models import JobGrant, SyncedRecord, SyncStep
from portal.sync.records.member_users import select_members_without_grants
from portal.sync.writers import gone_records

MAX_SINGLE_LOOKUPS = 50
# Of a longer list, the stored keys are read instead: the text of its own would take more memory.
MAX_COMPARED_IN_DATABASE = 200_000
_NOT_LISTED_SQL = {
    "postgresql": "NOT EXISTS (SELECT 1 FROM unnest(%s::bigint[]) AS listed(key)"
    " WHERE listed.key = {table}.remote_id)",
    "sqlite": "{table}.remote_id NOT IN (SELECT value FROM json_each(%s))",
}
LONG_LIST_SIZE = 100  # grants from which a user's list has a second page: Greenhouse's page size


class ListedKeys:
    """The keys of a complete read in eight bytes each."""

    def __init__(self, pages: Iterable[bytes]) -> None:
        keys = array("q")
        for page in pages:
            keys.frombytes(page)
        self._keys = array("q", sorted(keys)) if keys else keys

    def __contains__(self, key: object) -> bool:
        index = bisect_left(self._keys, key)  # type: ignore[call-overload]
        return index < len(self._keys) and bool(self._keys[index] == key)

    def __len__(self) -> int:
        return len(self._keys)

    def format_array(self) -> str:
        return format_array(self._keys)


def record_unidentified_records(
    definition: StepDefinition, step: SyncStep, page: Page[Any]
) -> None:
    """Remember that the page has a record that may be any of ours, so that none counts as gone."""
    if any(_may_be_any_row(definition, unreadable) for unreadable in page.set_aside):
        SyncStep.objects.filter(pk=step.pk).update(has_unidentified_records=True)


def collect_listed_keys(definition: StepDefinition, page: Page[Any]) -> bytes:
    """Return the keys of the page's records in eight bytes each, to be stored until the list has
    been read to its end.
    """
    keys = array("q", page.unchanged_ids)
    # A job that became a draft template is gone.
    records = (
        [job for job in page.records if job.is_requisition]
        if definition.kind == "jobs"
        else page.records
    )
    keys.extend([key for key in map(definition.get_key, records) if key is not None])
    keys.extend(
        unreadable.remote_id
        for unreadable in page.set_aside
        if unreadable.remote_id is not None and not _may_be_any_row(definition, unreadable)
    )
    return keys.tobytes()


def _may_be_any_row(definition: StepDefinition, unreadable: UnreadableRecord) -> bool:
    # If so, the step marks none gone.
    return unreadable.remote_id is None or definition.delete_unlisted is not None


def remove_missing_rows(connection: Connection, definition: StepDefinition, step: SyncStep) -> int:
    """Mark rows missing from the complete read as gone. Raises MassDeletionSuspected."""
    listed_keys = _load_listed_keys(step)
    if definition.delete_unlisted is not None:
        return definition.delete_unlisted(connection, listed_keys) if len(listed_keys) else 0
    if definition.model is None:
        return 0
    missing = _find_missing_rows(connection, definition, step, listed_keys)
    if definition.guarded:
        mass_deletion_guard.check_missing_share(
            connection,
            definition,
            len(missing),
            stored_count=_count_before_step(connection, definition, step),
        )
    return gone_records.mark_gone(connection, definition.model, missing)


def remove_unlisted_grants(connection: Connection, page: Page[JobGrantRecord]) -> int:
    """Mark grants gone of users whose whole list is on this page, before the step ends.

    Call within `written_as_of`.
    """
    listed = [record.id for record in page.records] if page.complete_users else []
    unreadable = [record.remote_id for record in page.set_aside]
    if not page.complete_users or None in unreadable:
        return 0
    grants = JobGrant.objects.filter(
        connection=connection,
        gone_at=None,
        user__remote_id__in=page.complete_users,
        changed_at__lt=get_request_time(),
    )
    missing = grants.exclude(remote_id__in=[*listed, *unreadable])
    return gone_records.mark_gone(
        connection, JobGrant, list(missing.values_list("remote_id", flat=True))
    )


def find_possibly_hidden_rows(
    connection: Connection, definition: StepDefinition, step: SyncStep
) -> list[int]:
    """Return rows that a complete list lacked and that shifting pages may have hidden.

    Harvest v1 numbers its pages: a deletion during a read moves the first record of the next page
    to the page just read. Such a record stands well within a page of a second read.
    """
    if (
        step.since is not None
        or step.has_unidentified_records
        or definition.model is None
        or step.pages < 2
    ):
        return []
    missing = _find_missing_rows(connection, definition, step, _load_listed_keys(step))
    if definition.model is JobGrant and missing:
        long_lists = JobGrant.objects.filter(
            connection=connection, user__in=_select_users_with_long_lists(connection)
        )
        return sorted({*missing} & {*long_lists.values_list("remote_id", flat=True)})
    return missing


def fetch_remaining_records(
    connection: Connection, definition: StepDefinition, provider: Provider, missing: Sequence[int]
) -> list[Any] | None:
    """Missing records that still exist; None to read the list again instead. Raises AtsError."""
    if definition.model is JobGrant:
        grants = JobGrant.objects.filter(connection=connection, remote_id__in=missing)
        users = {*grants.values_list("user__remote_id", flat=True)}
        pages = provider.list_job_permissions(user_ids=users)
        return [record for page in pages for record in page.records if record.id in missing]
    if definition.fetch_record is None or len(missing) > MAX_SINGLE_LOOKUPS:
        return None
    try:
        return [*_fetch_existing(definition.fetch_record, provider, missing)]
    except LIST_REFUSALS:  # only the list may be read
        return None


def _fetch_existing(fetch_record: Any, provider: Provider, missing: Sequence[int]) -> Iterator[Any]:
    for remote_id in missing:
        try:
            yield fetch_record(provider, remote_id)
        except NotFound:
            continue


def _select_users_with_long_lists(connection: Connection) -> Any:
    # Each user's grants are a list of their own; one of a single page hides nothing.
    active_grants = JobGrant.objects.filter(connection=connection, gone_at=None)
    counted = active_grants.values("user").annotate(n=Count("pk"))
    return counted.filter(n__gte=LONG_LIST_SIZE).values("user")


def _load_listed_keys(step: SyncStep) -> ListedKeys:
    return ListedKeys(page_statements.load_listed_keys(step))


def _count_before_step(connection: Connection, definition: StepDefinition, step: SyncStep) -> int:
    return definition.count_records(connection) - step.created


def _find_missing_rows(
    connection: Connection, definition: StepDefinition, step: SyncStep, listed_keys: ListedKeys
) -> list[int]:
    if not len(listed_keys) and definition.kind == "openings":
        return []  # v1 jobs include their openings, so this list is empty
    model: Any = definition.model
    # Rows written since the step began, by single reads, may be missing from its pages.
    if not step.members_only and len(listed_keys) <= MAX_COMPARED_IN_DATABASE:
        table = database.ops.quote_name(model._meta.db_table)
        not_listed = _NOT_LISTED_SQL[database.vendor].format(table=table)
        started_at = database.ops.adapt_datetimefield_value(step.started_at)
        with send_values_apart(), database.cursor() as cursor:
            cursor.execute(
                f"SELECT remote_id FROM {table} WHERE connection_id = %s"  # noqa: S608  # our own table
                f" AND gone_at IS NULL AND changed_at < %s AND {not_listed}",
                [connection.pk, started_at, listed_keys.format_array()],
            )
            return [remote_id for (remote_id,) in cursor.fetchall()]
    rows: QuerySet[SyncedRecord] = model._default_manager.filter(
        connection=connection, gone_at=None, changed_at__lt=step.started_at
    )
    if step.members_only:
        members = Q(user__remote_id__in=step.user_ids or ())
        rows = rows.filter(members | Q(user__in=select_members_without_grants(connection)))
    remote_ids = rows.values_list("remote_id", flat=True).order_by()
    return [remote_id for remote_id in remote_ids.iterator(2000) if remote_id not in listed_keys]
