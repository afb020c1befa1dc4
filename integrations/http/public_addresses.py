"""Which network addresses belong to the public internet."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Public by registration, but answered inside the cloud: Azure's virtual public address.
_CLOUD_SERVICES = {ipaddress.ip_address("168.63.129.16")}


def is_public(address: str) -> bool:
    return all(_is_public(form) for form in _list_forms(ipaddress.ip_address(address)))


def is_loopback(address: str) -> bool:
    return all(form.is_loopback for form in _list_forms(ipaddress.ip_address(address)))


def _list_forms(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return the IPv4 addresses that an IPv6 address stands for, else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return [address.ipv4_mapped]
        if address in _NAT64:
            return [IPv4Address(int(address) & 0xFFFFFFFF)]
        if address.sixtofour:
            return [address.sixtofour]
        if address.teredo:
            return [*address.teredo]
    return [address]


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (address.is_site_local or address.scope_id):
        return False
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_unspecified)
        and address not in _CLOUD_SERVICES
    )
