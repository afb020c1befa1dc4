"""Where a request came from."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str | None:
    """The reader's address, None where that cannot be told.

    Behind a proxy (BEHIND_PROXY) that is the last address of X-Forwarded-For: the proxy itself
    wrote it. What stands before it came with the request and may be anything.
    """
    found = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        found = request.META.get("HTTP_X_FORWARDED_FOR", found).rsplit(",", 1)[-1]
    try:
        address = ip_address(found.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
