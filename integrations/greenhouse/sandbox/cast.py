"""The standing cast of the acme account, and the people of the other one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Access = Literal["site_admin", "standard", "advance_only", "interviewer", "basic"]


@dataclass(frozen=True)
class Player:
    """Somebody who is always there. ``addresses`` are local parts, the primary one first."""

    first_name: str
    last_name: str
    addresses: tuple[str, ...]
    access: Access
    deactivated: bool = False


ACME: tuple[Player, ...] = (
    Player("Ada", "Adeyemi", ("ada",), "site_admin"),
    Player("Sam", "Okafor", ("sam",), "site_admin"),
    Player("Remy", "Laurent", ("remy",), "standard"),
    Player("Vic", "Vance", ("vic",), "advance_only"),
    Player("Ivy", "Ito", ("ivy",), "interviewer"),
    Player("Basil", "Brook", ("basil",), "basic"),
    Player("Dana", "Diaz", ("dana",), "site_admin", deactivated=True),
    Player("Mona", "Moss", ("m.moss", "mona"), "standard"),
    Player("Shay", "Reed", ("shay", "shared"), "standard"),
    Player("Shan", "Rowe", ("shan", "shared"), "basic"),
)
"""Nobody here is ``uma``: she has no match, always."""

OTHER: tuple[Player, ...] = (
    Player("Zoe", "Zimmer", ("zoe",), "site_admin"),
    Player("Otto", "Olsen", ("otto",), "standard"),
)
"""The people of the other account."""
