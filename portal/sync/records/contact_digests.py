"""Digests that tell whether two candidates share an email address, phone number or LinkedIn page,
without storing any of them.

Each is a keyed hash; the organization's own key is derived from the newest encryption key. After
that key was rotated, full syncs write the digests anew; until then, candidates may not be found to
share what they share.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from hashlib import blake2b
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from integrations.ats.emails import normalize_email
from integrations.ats.types import Candidate

EMAIL, PHONE, LINKEDIN = "email", "phone", "linkedin"
MAX_DIGESTS = 30  # of a candidate
_DIGEST_BYTES = 16
_MIN_PHONE_DIGITS = 7
_LINKEDIN_HOST = "linkedin.com"
# Where "x12", "ext. 12", "#12", ";ext=12" and the like begin, but for letters, which do not count.
_EXTENSION_START = re.compile("[xX#;,]")
_NO_ASCII_DIGITS = re.compile(r"[^0-9]")


def build_contact_digests(organization_id: int, candidate: Candidate) -> list[str]:
    """Sorted "kind:digest" texts."""
    key = _derive_key(settings.FIELD_ENCRYPTION_KEY[0], organization_id)
    digests = {
        f"{kind}:{_compute_digest(key, kind, value)}" for kind, value in _list_contacts(candidate)
    }
    return sorted(digests)[:MAX_DIGESTS]


def get_digest_kind(digest: str) -> str:
    return digest.partition(":")[0]


def normalize_phone(phone: str) -> str:
    """The ASCII digits of a number: without an extension, the "+" or "00" before a country code
    and a "(0)" after it. Empty for what is no number of somebody: fewer than seven digits, or one
    digit only.

    A number without its country code equals only the same digits: its country isn't known.
    """
    number = _EXTENSION_START.split(phone.strip(), maxsplit=1)[0]
    if number.startswith("+"):
        number = number.replace("(0)", "", 1)
    digits = _NO_ASCII_DIGITS.sub("", number).removeprefix("00")
    return digits if len(digits) >= _MIN_PHONE_DIGITS and len(set(digits)) > 1 else ""


def normalize_linkedin(link: str) -> str:
    """The name in a LinkedIn profile's address, A to Z lowercased; empty for other addresses."""
    address = link.strip()
    if _LINKEDIN_HOST not in address.lower():  # taking an address apart takes longer
        return ""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        host = parts.hostname or ""
    except ValueError:
        return ""
    if host != _LINKEDIN_HOST and not host.endswith(f".{_LINKEDIN_HOST}"):
        return ""
    section, _, rest = parts.path.strip("/").partition("/")
    return normalize_email(unquote(rest.partition("/")[0])) if section.lower() == "in" else ""


def _list_contacts(candidate: Candidate) -> Iterator[tuple[str, str]]:
    for email in candidate.emails:
        if "@" in email:
            yield EMAIL, normalize_email(email)
    for phone in candidate.phones:
        if number := normalize_phone(phone):
            yield PHONE, number
    for link in candidate.links:
        if profile := normalize_linkedin(link):
            yield LINKEDIN, profile


def _compute_digest(key: bytes, kind: str, value: str) -> str:
    contact = f"{kind}\0{value}".encode()
    return blake2b(contact, key=key, digest_size=_DIGEST_BYTES).hexdigest()


@functools.lru_cache(maxsize=256)
def _derive_key(secret: str, organization_id: int) -> bytes:
    purpose = f"portal contact digests of organization {organization_id}"
    return HKDF(SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())
