"""Fixed users of each account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AccessLevel = Literal["site_admin", "standard", "advance_only", "interviewer", "basic"]


@dataclass(frozen=True)
class Persona:
    """A user present in every sandbox; ``email_names`` are local parts, primary first."""

    first_name: str
    last_name: str
    email_names: tuple[str, ...]
    access: AccessLevel
    deactivated: bool = False


# ``uma`` is missing on purpose: she never has a match.
ACME_PERSONAS: tuple[Persona, ...] = (
    Persona("Ada", "Adeyemi", ("ada",), "site_admin"),
    Persona("Sam", "Okafor", ("sam",), "site_admin"),
    Persona("Remy", "Laurent", ("remy",), "standard"),
    Persona("Vic", "Vance", ("vic",), "advance_only"),
    Persona("Ivy", "Ito", ("ivy",), "interviewer"),
    Persona("Basil", "Brook", ("basil",), "basic"),
    Persona("Dana", "Diaz", ("dana",), "site_admin", deactivated=True),
    Persona("Mona", "Moss", ("m.moss", "mona"), "standard"),
    Persona("Shay", "Reed", ("shay", "shared"), "standard"),
    Persona("Shan", "Rowe", ("shan", "shared"), "basic"),
)

NUMBERED_ACCOUNT_PERSONAS: tuple[Persona, ...] = (
    Persona("Ada", "Adeyemi", ("ada",), "site_admin"),
    Persona("Sam", "Okafor", ("sam",), "site_admin"),
    Persona("Remy", "Laurent", ("remy",), "standard"),
)

OTHER_PERSONAS: tuple[Persona, ...] = (
    Persona("Zoe", "Zimmer", ("zoe",), "site_admin"),
    Persona("Otto", "Olsen", ("otto",), "standard"),
)


def get_personas(account: str) -> tuple[Persona, ...]:
    return {"acme": ACME_PERSONAS, "other": OTHER_PERSONAS}.get(account, NUMBERED_ACCOUNT_PERSONAS)
