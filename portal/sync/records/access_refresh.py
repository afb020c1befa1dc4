"""Refresh the access of one Greenhouse user, between the syncs that read everybody's."""

from __future__ import annotations

from collections.abc import Container

from django.db import transaction
from django.utils import timezone

from integrations.ats.errors import LIST_REFUSALS, NotFound
from integrations.ats.types import JobGrant, Page
from integrations.greenhouse.provider import Provider
from portal.connections.models import Connection
from portal.sync.engine.steps import get_skipped_kinds
from portal.sync.engine.upsert import written_as_of
from portal.sync.integrity.missing_rows import remove_unlisted_grants
from portal.sync.models import AtsUser
from portal.sync.records import hiring_team
from portal.sync.writers import job_records, user_records


def refresh_access(connection: Connection, remote_id: int, provider: Provider) -> None:
    """Read a user, their addresses and their grants. Raises AtsError."""
    requested_at, skipped_kinds = timezone.now(), get_skipped_kinds(connection)
    try:
        user = provider.get_user(remote_id)
        with transaction.atomic(), written_as_of(requested_at):
            user_records.write_users(connection, [user])
        _refresh_addresses(connection, remote_id, provider, skipped_kinds)
        if "grants" in skipped_kinds:  # the hiring team stands in; syncs of people read it
            return
        grants = Page[JobGrant](records=(), complete_users=(remote_id,))
        if not user.site_admin and not user.deactivated:
            grants = _read_grants(provider, remote_id)
    except (*LIST_REFUSALS, NotFound):
        # Users are never deleted in Greenhouse, so the guarded list decides about this one.
        return
    with transaction.atomic(), written_as_of(requested_at):
        job_records.write_job_grants(connection, grants.records)
        remove_unlisted_grants(connection, grants)
    AtsUser.objects.filter(connection=connection, remote_id=remote_id).update(
        access_read_at=requested_at
    )


def _refresh_addresses(
    connection: Connection, remote_id: int, provider: Provider, skipped_kinds: Container[str]
) -> None:
    if "emails" in skipped_kinds or not hiring_team.has_email_list(connection):
        return  # the user record carries them
    requested_at = timezone.now()
    pages = list(provider.list_user_emails(user_ids=[remote_id]))
    emails = [email for page in pages for email in page.records]
    with transaction.atomic(), written_as_of(requested_at):
        hiring_team.write_user_emails(connection, emails)
        if emails and not any(page.set_aside for page in pages):
            listed_keys = {hiring_team.get_email_key(email) for email in emails}
            hiring_team.delete_unlisted_emails(connection, listed_keys, user_ids=[remote_id])


def _read_grants(provider: Provider, remote_id: int) -> Page[JobGrant]:
    pages = list(provider.list_job_permissions(user_ids=[remote_id], narrow=True))
    is_complete = len(pages) == 1 or not provider.pages_may_shift
    return Page(
        records=tuple(grant for page in pages for grant in page.records),
        set_aside=tuple(unreadable for page in pages for unreadable in page.set_aside),
        complete_users=(remote_id,) if is_complete else (),
    )
