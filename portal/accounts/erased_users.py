"""Recognizes addresses of erased users in older texts, by a keyed digest of the address."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from integrations.ats.emails import normalize_email
from portal.accounts.models import FORMER_MEMBER, User

_EMAIL_PATTERN = re.compile(r"[^\s<>(),;:\"“”]+@[^\s<>(),;:\"“”]*[\w]")


def digest_email(email: str) -> str:
    return _compute_digest(email, settings.AUDIT_KEYS[0])


def _compute_digest(email: str, key: str) -> str:
    return hmac.new(key.encode(), normalize_email(email).encode(), hashlib.sha256).hexdigest()


def find_emails(text: str) -> set[str]:
    return set(_EMAIL_PATTERN.findall(text))


def find_erased_emails(emails: Iterable[str]) -> dict[str, datetime]:
    """Return the erased addresses with the time of erasure; the person may have returned since."""
    email_by_digest = {
        _compute_digest(email, key): normalize_email(email)
        for email in emails
        for key in settings.AUDIT_KEYS
    }
    if not email_by_digest:
        return {}
    users = User.objects.filter(erased_digest__in=email_by_digest).order_by("erased_at")
    return {
        email_by_digest[digest]: erased_at
        for digest, erased_at in users.values_list("erased_digest", "erased_at")
        if erased_at
    }


def redact_emails(text: str, emails: set[str]) -> str:
    return _EMAIL_PATTERN.sub(
        lambda match: FORMER_MEMBER.lower() if normalize_email(match[0]) in emails else match[0],
        text,
    )
