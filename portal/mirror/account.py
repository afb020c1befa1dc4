"""Which Greenhouse account is mirrored here."""

from __future__ import annotations

from integrations.ats.port import AccountSample
from portal.connections.models import Connection
from portal.mirror.models import AtsUser, Job


def same_account(connection: Connection, sample: AccountSample) -> bool:
    """Whether a sample comes from the account that is mirrored here. True when nothing tells."""
    pairs = ((AtsUser, sample.user_ids), (Job, sample.job_ids))
    told = []
    for model, ids in pairs:
        here = model._default_manager.filter(connection=connection)
        if ids and here.exists():
            told.append(here.filter(remote_id__in=ids).exists())
    return any(told) or not told
