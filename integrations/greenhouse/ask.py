"""One question to Harvest, before it becomes HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, and under which permission.

    `path` holds real ids and is never logged; `template` is what logs and evidence show.
    `permission` is a key of the permission catalogue. Writes are sent in the name of
    `acting_user_id`.
    """

    path: str
    template: str
    permission: str
    method: str = "GET"
    params: Mapping[str, str] = {}
    body: Mapping[str, Any] | None = None
    acting_user_id: int | None = None

    @property
    def writes(self) -> bool:
        """Whether this may change something."""
        return self.method != "GET"

    @property
    def names_a_record(self) -> bool:
        """Whether the path leads to one record, so that 404 may be about that."""
        return "{" in self.template

    @property
    def target(self) -> str:
        """Path and query, relative to the API's address."""
        query = urlencode(self.params, safe=",:|")
        return f"{self.path}?{query}" if query else self.path

    @property
    def content(self) -> bytes | None:
        """The JSON body; None for reads."""
        return None if self.body is None else msgspec.json.encode(self.body)
