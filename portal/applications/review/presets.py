"""Rejections that one key makes: a person's own and those shared in their organization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from portal.accounts.models import Membership
from portal.applications.models import RejectionPreset

DIGITS = range(1, 10)
GONE_TEMPLATE = 0  # no email has this ID


def filter_presets(member: Membership) -> QuerySet[RejectionPreset]:
    """The person's own, and the shared ones of their organization."""
    shared = Q(membership=None, organization=member.organization_id)
    return RejectionPreset.objects.filter(Q(membership=member) | shared).select_related(
        "reason", "template"
    )


def list_presets(member: Membership) -> list[RejectionPreset]:
    """One for each digit: a person's own goes before a shared one."""
    by_digit: dict[int, RejectionPreset] = {}
    for preset in filter_presets(member):
        if preset.digit not in by_digit or preset.membership_id is not None:
            by_digit[preset.digit] = preset
    return [by_digit[digit] for digit in sorted(by_digit)]


def filter_editable_presets(member: Membership) -> QuerySet[RejectionPreset]:
    """Shared presets are edited by admins."""
    presets = filter_presets(member)
    return presets if member.is_admin else presets.filter(membership=member)


def find_free_digit(member: Membership) -> int | None:
    used = set(filter_presets(member).values_list("digit", flat=True))
    return next((digit for digit in DIGITS if digit not in used), None)


def build_rejection_data(preset: RejectionPreset) -> Mapping[str, Any]:
    """The fields of `RejectForm`. The form says what no longer exists."""
    return {
        "reason": preset.reason_id or "",
        "notes": preset.notes,
        "template": preset.template_id or (GONE_TEMPLATE if preset.has_lost_email else ""),
        "mail_after": preset.mail_after,
        "delay_days": preset.delay_days,
        "send_time": f"{preset.send_time:%H:%M}",
    }


def record_values(preset: RejectionPreset) -> dict[str, Any]:
    """For the activity log: without the note, whose text is the person's own."""
    return {
        "name": preset.name,
        "digit": preset.digit,
        "shared": preset.membership_id is None,
        "reason": preset.reason.name if preset.reason is not None else "",
        "email": preset.template.name if preset.template is not None else "",
        "when": preset.delay_text if preset.template is not None else "",
    }
