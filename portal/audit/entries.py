from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.http import HttpRequest

from portal.accounts.models import Organization, User
from portal.audit import hash_chain
from portal.audit.models import Entry
from portal.web.client_ip import get_client_ip

PORTAL_LABEL = "The portal"


def record_entry(
    verb: str,
    description: str,
    *,
    organization: Organization | None,
    by: User | None = None,
    subject: models.Model | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
    ip_address: str | None = None,
) -> Entry:
    """Append an entry; `by` None means the portal. `description` completes "<actor> …". `before`
    and `after` have no secrets or personal data of candidates. Call this last in a transaction: it
    locks the organization's log until commit.
    """
    return hash_chain.append_entry(
        Entry(
            organization=organization,
            by=by,
            actor_label=_format_actor(by)[:200],
            ip_address=get_client_ip(request) if request is not None else ip_address,
            verb=verb,
            description=description[:300],
            subject=subject._meta.label_lower if subject is not None else "",
            subject_id=subject.pk if subject is not None else None,
            before=dict(before) if before is not None else None,
            after=dict(after) if after is not None else None,
        )
    )


def _format_actor(by: User | None) -> str:
    if by is None:
        return PORTAL_LABEL
    return f"{by.name} <{by.email}>" if by.name else by.email
