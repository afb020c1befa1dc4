"""A stand-in for Greenhouse's Harvest API, v1 and v3, over real HTTP and with state.

Built from public facts; what is inferred or assumed is marked where it stands. Start it with
``python -m integrations.greenhouse.sandbox``, or in a test with ``with Sandbox() as sandbox:``.
"""

from __future__ import annotations

from .credentials import (
    ACME_V1_KEY,
    ACME_V1_KEY_LIMITED,
    ACME_V3_CLIENT_ID,
    ACME_V3_CLIENT_SECRET,
    ACME_V3_LIMITED_CLIENT_ID,
    ACME_V3_LIMITED_CLIENT_SECRET,
    LIMITED_CLIENT_LACKS,
    LIMITED_KEY_LACKS,
    OTHER_V1_KEY,
    OTHER_V3_CLIENT_ID,
    OTHER_V3_CLIENT_SECRET,
    Client,
    Key,
)
from .partners import PARTNER_CLIENT_ID, PARTNER_CLIENT_SECRET
from .sandbox import Sandbox
from .settings import Settings

__all__ = [
    "ACME_V1_KEY",
    "ACME_V1_KEY_LIMITED",
    "ACME_V3_CLIENT_ID",
    "ACME_V3_CLIENT_SECRET",
    "ACME_V3_LIMITED_CLIENT_ID",
    "ACME_V3_LIMITED_CLIENT_SECRET",
    "LIMITED_CLIENT_LACKS",
    "LIMITED_KEY_LACKS",
    "OTHER_V1_KEY",
    "OTHER_V3_CLIENT_ID",
    "OTHER_V3_CLIENT_SECRET",
    "PARTNER_CLIENT_ID",
    "PARTNER_CLIENT_SECRET",
    "Client",
    "Key",
    "Sandbox",
    "Settings",
]
