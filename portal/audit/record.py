"""Writing the record: one sentence per deed, with what was before and after, never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.http import HttpRequest

from portal.accounts.models import Organization, User
from portal.audit import chain
from portal.audit.models import Entry
from portal.core.client_ip import client_ip

THE_PORTAL = "The portal"


def record(
    verb: str,
    words: str,
    *,
    organization: Organization | None,
    by: User | None = None,
    subject: models.Model | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> Entry:
    """Add an entry.

    `verb` is "room.deed"; `words` a sentence that completes "<who> …", for example "entered a
    credential ending in 91af". `by` None: the portal did it by itself. `request` tells from where.
    Values in `before` and `after` are JSON and hold no secret and no candidate's personal data.

    Within a transaction, say it last: other writers of the organization's record wait for its end.
    """
    return chain.append(
        Entry(
            organization=organization,
            by=by,
            by_words=_named(by)[:200],
            address=client_ip(request) if request is not None else None,
            verb=verb,
            words=words[:300],
            subject=subject._meta.label_lower if subject is not None else "",
            subject_id=subject.pk if subject is not None else None,
            before=dict(before) if before is not None else None,
            after=dict(after) if after is not None else None,
        )
    )


def _named(by: User | None) -> str:
    if by is None:
        return THE_PORTAL
    return f"{by.name} <{by.email}>" if by.name else by.email
