"""A Harvest request, independent of HTTP and authentication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec


class HarvestRequest(msgspec.Struct, frozen=True, kw_only=True):
    path: str  # contains real ids, so it is never logged
    template: str  # the path as logs and evidence show it
    permission: str  # key in the permission catalogue
    method: str = "GET"
    params: Mapping[str, str] = {}
    body: Mapping[str, Any] | None = None
    acting_user_id: int | None = None

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @property
    def has_record_id(self) -> bool:
        return "{" in self.template

    @property
    def target(self) -> str:
        query = urlencode(self.params, safe=",:|")
        return f"{self.path}?{query}" if query else self.path

    @property
    def content(self) -> bytes | None:
        return None if self.body is None else msgspec.json.encode(self.body)
