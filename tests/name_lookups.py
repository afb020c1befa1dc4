"""Replaces the lookup of host names, except by what connects to an address, such as Redis."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest


def replace_name_lookups(monkeypatch: pytest.MonkeyPatch, look_up: Callable[..., Any]) -> None:
    """`look_up` gets the host and the port."""
    original = socket.getaddrinfo

    def look_up_names(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_address(host):
            return original(host, port, *args, **kwargs)
        return look_up(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_names)


def _is_address(host: Any) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
