from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def get_client_ip(request: HttpRequest) -> str | None:
    """Return the client's address, or None if it cannot be determined."""
    if not settings.TRUSTED_PROXIES:
        return _normalize_address(request.META.get("REMOTE_ADDR", ""))
    # Each proxy appends the address it was called from, so the entry at this position from the
    # right is the client's; entries to its left were sent by the client. With fewer entries the
    # address is unknown, and REMOTE_ADDR would be a proxy's.
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if len(hops) < settings.TRUSTED_PROXIES:
        return None
    return _normalize_address(hops[-settings.TRUSTED_PROXIES])


def _normalize_address(text: str) -> str | None:
    try:
        address: IPv4Address | IPv6Address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
