"""The kinds of credential, and what people enter for each."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class CredentialField(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    label: str
    secret: bool  # never shown again
    help: str


class CredentialKind(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    label: str
    fields: tuple[CredentialField, ...]
    is_consent: bool = False  # granted by OAuth, not entered


V1_RETIREMENT = (
    "Greenhouse retired Harvest v1 on August 31, 2026, so API keys can stop working at any time."
)

CREDENTIAL_KINDS: Mapping[str, CredentialKind] = {
    kind.key: kind
    for kind in (
        CredentialKind(
            key="harvest_oauth",
            label="Harvest v3",
            fields=(
                CredentialField(
                    name="client_id",
                    label="Client ID",
                    secret=False,
                    help="The first of the two values Greenhouse shows.",
                ),
                CredentialField(
                    name="client_secret",
                    label="Client secret",
                    secret=True,
                    help="Greenhouse shows it once, when you create the credential.",
                ),
                CredentialField(
                    name="reader_id",
                    label="Greenhouse user ID of a Site Admin",
                    secret=False,
                    help="Only needed if the credential's own service user isn't a Site Admin. In "
                    "Greenhouse, open Configure › Users and select the person: the ID is the "
                    "number in the page's address.",
                ),
            ),
        ),
        CredentialKind(
            key="harvest_partner",
            label="Authorized in Greenhouse",
            fields=(),
            is_consent=True,
        ),
        CredentialKind(
            key="harvest_key",
            label="API key (v1)",
            fields=(
                CredentialField(
                    name="api_key",
                    label="Harvest API key",
                    secret=True,
                    help="A long string of letters and numbers.",
                ),
            ),
        ),
    )
}
