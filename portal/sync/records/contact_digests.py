"""Digests that tell whether two candidates share an email address, phone number or LinkedIn page,
without storing any of them.

Each is a keyed hash; the organization's own key is derived from the newest encryption key. After
that key was rotated, full syncs write the digests anew; until then, candidates may not be found to
share what they share.
"""

from __future__ import annotations

import functools
import re
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
_NO_SEPARATORS = str.maketrans("", "", "+-.()/ ")
_NO_ASCII_DIGITS = re.compile(r"[^0-9]")


def get_contact_hasher(organization_id: int) -> blake2b:
    return _make_hasher(settings.FIELD_ENCRYPTION_KEY[0], organization_id)


def build_contact_digests(hasher: blake2b, candidate: Candidate) -> list[str]:
    """Sorted "kind:digest" texts, made with the organization's hasher."""
    contacts = {*_list_contacts(candidate)}
    if not contacts:
        return []
    return sorted([_compute_digest(hasher, *contact) for contact in contacts])[:MAX_DIGESTS]


def get_digest_kind(digest: str) -> str:
    return digest.partition(":")[0]


def normalize_phone(phone: str) -> str:
    """The ASCII digits of a number: without an extension, the "+" or "00" before a country code
    and a "(0)" after it. Empty for what is no number of somebody: fewer than seven digits, or one
    digit only.

    A number without its country code equals only the same digits: its country isn't known.
    """
    number = phone.strip()
    if extension := _EXTENSION_START.search(number):
        number = number[: extension.start()]
    if number.startswith("+"):
        number = number.replace("(0)", "", 1)
    digits = number.translate(_NO_SEPARATORS)
    if not (digits.isascii() and digits.isdigit()):
        digits = _NO_ASCII_DIGITS.sub("", digits)
    digits = digits.removeprefix("00")
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


def _list_contacts(candidate: Candidate) -> list[tuple[str, str]]:
    contacts = [(EMAIL, normalize_email(email)) for email in candidate.emails if "@" in email]
    for phone in candidate.phones:
        if number := normalize_phone(phone):
            contacts.append((PHONE, number))
    for link in candidate.links:
        if profile := normalize_linkedin(link):
            contacts.append((LINKEDIN, profile))
    return contacts


def _compute_digest(hasher: blake2b, kind: str, value: str) -> str:
    contact_hasher = hasher.copy()  # quicker than to set the key again
    contact_hasher.update(f"{kind}\0{value}".encode())
    return f"{kind}:{contact_hasher.hexdigest()}"


@functools.lru_cache(maxsize=256)
def _make_hasher(secret: str, organization_id: int) -> blake2b:
    purpose = f"portal contact digests of organization {organization_id}"
    kdf = HKDF(SHA256(), length=32, salt=None, info=purpose.encode())
    return blake2b(key=kdf.derive(secret.encode()), digest_size=_DIGEST_BYTES)
