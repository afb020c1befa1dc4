"""A stateful stand-in for Greenhouse's Harvest API (v1 and v3), served over HTTP.

Built from public facts; behavior that is only inferred or assumed is marked in the code.
"""

from __future__ import annotations

from integrations.greenhouse.sandbox.auth.credentials import (
    ACME_V1_KEY,
    ACME_V1_KEY_LIMITED,
    ACME_V3_CLIENT_ID,
    ACME_V3_CLIENT_SECRET,
    ACME_V3_LIMITED_CLIENT_ID,
    ACME_V3_LIMITED_CLIENT_SECRET,
    LIMITED_CLIENT_MISSING_SCOPES,
    LIMITED_KEY_MISSING_PERMISSIONS,
    OTHER_V1_KEY,
    OTHER_V3_CLIENT_ID,
    OTHER_V3_CLIENT_SECRET,
    ApiKey,
    OAuthClient,
)
from integrations.greenhouse.sandbox.auth.partners import PARTNER_CLIENT_ID, PARTNER_CLIENT_SECRET
from integrations.greenhouse.sandbox.numbered_accounts import NumberedAccount

from .sandbox import Sandbox
from .settings import Settings

__all__ = [
    "ACME_V1_KEY",
    "ACME_V1_KEY_LIMITED",
    "ACME_V3_CLIENT_ID",
    "ACME_V3_CLIENT_SECRET",
    "ACME_V3_LIMITED_CLIENT_ID",
    "ACME_V3_LIMITED_CLIENT_SECRET",
    "LIMITED_CLIENT_MISSING_SCOPES",
    "LIMITED_KEY_MISSING_PERMISSIONS",
    "OTHER_V1_KEY",
    "OTHER_V3_CLIENT_ID",
    "OTHER_V3_CLIENT_SECRET",
    "PARTNER_CLIENT_ID",
    "PARTNER_CLIENT_SECRET",
    "ApiKey",
    "NumberedAccount",
    "OAuthClient",
    "Sandbox",
    "Settings",
]
