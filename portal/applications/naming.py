"""Whom a page is about, in words: one way for all."""

from __future__ import annotations

from portal.entitlements.rules import Rights
from portal.mirror.models import Application


def may_name(held: Rights) -> bool:
    """Whether names may be shown: the credential may read candidates."""
    return "candidates" not in held.features.off


def who(application: Application, held: Rights) -> str:
    """The candidate's name; without the right to read names, Greenhouse's id."""
    if not may_name(held):
        return f"Application {application.remote_id}"
    return str(application.candidate or "Name not read yet")
