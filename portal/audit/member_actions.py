from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from portal.accounts.access import MemberRequest
from portal.audit.entries import record_entry


def record_member_action(
    request: MemberRequest,
    verb: str,
    description: str,
    *,
    subject: models.Model | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    record_entry(
        verb,
        description,
        organization=request.membership.organization,
        by=request.membership.user,
        subject=subject,
        before=before,
        after=after,
        request=request,
    )
