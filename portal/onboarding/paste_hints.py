"""Guesses what was pasted instead of a credential.

Greenhouse documents no formats, so a guess is only a hint that the admin can override.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.greenhouse.credential_kinds import CREDENTIAL_KINDS, CredentialKind

# The format of Harvest API keys in public examples [inferred].
_API_KEY = re.compile(r"[0-9a-f]{32}-\d{1,3}")
_AUTHORIZATION_HEADER = re.compile(r"\s*(authorization\s*:|basic\s|bearer\s)", re.IGNORECASE)
WHITESPACE = re.compile(r"[\s\u200b\u200c\u200d\u2060\ufeff]+")
_WORD = re.compile(r"[A-Za-z]{1,15}[,.:;!?]?")
_MIN_LENGTH = 16  # characters; shorter than any credential in public examples


@dataclass(frozen=True)
class PasteHint:
    """`kind` is the kind of credential whose form fits better, if any."""

    sentence: str
    kind: str = ""

    @property
    def kind_label(self) -> str:
        return f"Switch to {CREDENTIAL_KINDS[self.kind].label}" if self.kind else ""


def find_paste_hint(data: Mapping[str, Any], kind: CredentialKind) -> PasteHint | None:
    """A hint about the first pasted value that doesn't look right."""
    for field in kind.fields:
        pasted = str(data.get(field.name, ""))
        if pasted.strip() and field.name != "reader_id":
            hint = _check_value(pasted, field.label) or _CHECKS[kind.key](pasted)
            if hint:
                return hint
    return None


def _check_value(pasted: str, label: str) -> PasteHint | None:
    parts = _split_parts(pasted)
    if _AUTHORIZATION_HEADER.match(pasted):
        return PasteHint(
            f"{label}: this looks like an authorization header. Paste only the value that "
            "Greenhouse shows."
        )
    if len(parts) >= 3 and sum(bool(_WORD.fullmatch(part)) for part in parts) > len(parts) / 2:
        return PasteHint(f"{label}: this looks like a sentence, not a credential.")
    if len("".join(parts)) < _MIN_LENGTH:
        return PasteHint(f"{label}: this looks too short. Check that you copied all of it.")
    return None


def _split_parts(pasted: str) -> list[str]:
    return [part for part in WHITESPACE.split(pasted) if part]


def _check_client_value(pasted: str) -> PasteHint | None:
    if _API_KEY.fullmatch("".join(_split_parts(pasted))):
        return PasteHint("This looks like a Harvest v1 API key.", "harvest_key")
    return None


def _check_api_key(pasted: str) -> PasteHint | None:
    values = _split_parts(pasted)
    if _API_KEY.fullmatch("".join(values)):
        return None
    if len(values) == 2 and all(len(value) >= _MIN_LENGTH for value in values):
        return PasteHint(
            "This looks like two values: a client ID and a client secret of Harvest v3.",
            "harvest_oauth",
        )
    return PasteHint(
        "This doesn't look like a v1 API key. If it's a client ID or client secret, switch to "
        "Harvest v3.",
        "harvest_oauth",
    )


_CHECKS = {"harvest_oauth": _check_client_value, "harvest_key": _check_api_key}
