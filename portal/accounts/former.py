"""Knowing again the address of whoever was erased, where it was written before.

Only a keyed digest of it is kept: it tells the address to whoever has it already, and to nobody
else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from integrations.ats.emails import normalize_email
from portal.accounts.models import FORMER, User

_ADDRESS = re.compile(r"[^\s<>(),;:\"“”]+@[^\s<>(),;:\"“”]*[\w]")


def digest(address: str) -> str:
    """What is kept of an erased address."""
    return _digest(address, settings.AUDIT_KEYS[0])


def _digest(address: str, key: str) -> str:
    return hmac.new(key.encode(), normalize_email(address).encode(), hashlib.sha256).hexdigest()


def addresses(text: str) -> set[str]:
    """What looks like an e-mail address."""
    return set(_ADDRESS.findall(text))


def erased(found: Iterable[str]) -> dict[str, datetime]:
    """Those of the addresses that were erased, and when: somebody may have come back since."""
    of = {_digest(one, key): normalize_email(one) for one in found for key in settings.AUDIT_KEYS}
    if not of:
        return {}
    known = User.objects.filter(erased_digest__in=of).order_by("erased_at")
    return {of[told]: at for told, at in known.values_list("erased_digest", "erased_at") if at}


def without(text: str, gone: set[str]) -> str:
    """The text without these addresses."""
    return _ADDRESS.sub(
        lambda found: FORMER.lower() if normalize_email(found[0]) in gone else found[0], text
    )
