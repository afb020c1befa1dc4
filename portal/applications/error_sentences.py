"""Errors in the words of people who can't open Setup: without API scopes, and with whom to ask."""

from __future__ import annotations

from integrations.ats.errors import AtsError, BadCredential, MissingPermission, NotSiteAdmin
from portal.accounts.admins import suggest_setup_fix
from portal.accounts.models import Membership
from portal.core.secrets.secret_field import SecretUnreadable


def explain_error(error: AtsError | SecretUnreadable, member: Membership) -> str:
    if isinstance(error, (MissingPermission, NotSiteAdmin)):
        return f"The Greenhouse credential is missing a permission. {suggest_setup_fix(member)}"
    if isinstance(error, (BadCredential, SecretUnreadable)):
        return f"The Greenhouse credential doesn't work. {suggest_setup_fix(member)}"
    return error.sentence
