"""Labels for candidates, depending on whether names may be shown."""

from __future__ import annotations

from portal.entitlements.rules import Rights
from portal.sync.models import Application


def may_show_names(rights: Rights) -> bool:
    """Names need the credential's permission to read candidates."""
    return "candidates" not in rights.features.unavailable


def get_candidate_label(application: Application, rights: Rights) -> str:
    if not may_show_names(rights):
        return f"Application {application.remote_id}"
    return str(application.candidate or "Name not synced yet")
