"""Whether a credential belongs to the synced Greenhouse account."""

from __future__ import annotations

from integrations.ats.types import AccountSample
from portal.connections.models import Connection
from portal.sync.models import AtsUser, Job


def is_same_account(connection: Connection, sample: AccountSample) -> bool:
    """Whether a sample comes from the synced account; True if there is nothing to compare."""
    pairs = ((AtsUser, sample.user_ids), (Job, sample.job_ids))
    matches = []
    for model, ids in pairs:
        synced_records = model._default_manager.filter(connection=connection)
        if ids and synced_records.exists():
            matches.append(synced_records.filter(remote_id__in=ids).exists())
    return any(matches) or not matches
