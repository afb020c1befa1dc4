"""Writing down what somebody does in their own organization, from the request it came with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from portal.accounts.access import MemberRequest
from portal.audit.record import record


def noted(
    request: MemberRequest,
    verb: str,
    words: str,
    *,
    subject: models.Model | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry about what the signed-in member did, from where."""
    record(
        verb,
        words,
        organization=request.membership.organization,
        by=request.membership.user,
        subject=subject,
        before=before,
        after=after,
        request=request,
    )
