"""The address a request came from."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str | None:
    """Return the client's address, or None if it cannot be determined.

    Each of the TRUSTED_PROXIES in front of the portal appends the address it was called from to
    X-Forwarded-For, so the entry at that position from the right is the client's. Everything left
    of it was sent by the client. With fewer entries than proxies the address is unknown: the
    connection's own address would be that of a proxy.
    """
    if not settings.TRUSTED_PROXIES:
        return _normalize(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if len(hops) < settings.TRUSTED_PROXIES:
        return None
    return _normalize(hops[-settings.TRUSTED_PROXIES])


def _normalize(text: str) -> str | None:
    try:
        address: IPv4Address | IPv6Address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
