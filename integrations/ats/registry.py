from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

import msgspec

from integrations.ats.client_context import ClientContext
from integrations.ats.oauth import OAuthFlow
from integrations.ats.permissions import PermissionCatalogue
from integrations.ats.provider import Provider
from integrations.ats.webhooks import WebhookSpec


class CredentialField(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    label: str
    secret: bool  # never shown again
    help: str


class CredentialKind(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    label: str
    fields: tuple[CredentialField, ...]
    provider_path: str  # dotted path of a class called with (secrets, context)
    catalogue_path: str  # dotted path of a PermissionCatalogue
    webhook_spec_path: str  # dotted path of a WebhookSpec
    oauth_flow_path: str = ""  # dotted path of an OAuthFlow, for kinds granted by consent


_CATALOGUE = "integrations.greenhouse.permission_catalogue.CATALOGUE"
V1_RETIREMENT = (
    "Greenhouse retired Harvest v1 on August 31, 2026, so API keys can stop working at any time."
)
_WEBHOOK_SPEC = "integrations.greenhouse.webhooks.WEBHOOK_SPEC"

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
            provider_path="integrations.greenhouse.provider.HarvestV3",
            catalogue_path=_CATALOGUE,
            webhook_spec_path=_WEBHOOK_SPEC,
        ),
        CredentialKind(
            key="harvest_partner",
            label="Authorized in Greenhouse",
            fields=(),
            provider_path="integrations.greenhouse.provider.HarvestPartner",
            catalogue_path=_CATALOGUE,
            webhook_spec_path=_WEBHOOK_SPEC,
            oauth_flow_path="integrations.greenhouse.oauth.authorization_flow.OAUTH_FLOW",
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
            provider_path="integrations.greenhouse.provider.HarvestV1",
            catalogue_path=_CATALOGUE,
            webhook_spec_path=_WEBHOOK_SPEC,
        ),
    )
}


def create_provider(kind: str, secrets: Mapping[str, str], context: ClientContext) -> Provider:
    """Create a provider without connecting. For an OAuth consent, `secrets` are the app's client ID
    and secret; the tokens are in `context.token_stores`.
    """
    return cast(Provider, _import_object(CREDENTIAL_KINDS[kind].provider_path)(secrets, context))


def get_rate_limit_window(kind: str) -> tuple[str, float]:
    """Return the name of the rate budget and the length of its window, in seconds."""
    provider_class = _import_object(CREDENTIAL_KINDS[kind].provider_path)
    return provider_class.kind, provider_class.window


def get_permission_catalogue(kind: str) -> PermissionCatalogue:
    return cast(PermissionCatalogue, _import_object(CREDENTIAL_KINDS[kind].catalogue_path))


def get_webhook_spec(kind: str) -> WebhookSpec:
    return cast(WebhookSpec, _import_object(CREDENTIAL_KINDS[kind].webhook_spec_path))


def get_oauth_flow(kind: str) -> OAuthFlow:
    """Raises KeyError for a kind whose secrets are entered."""
    if not CREDENTIAL_KINDS[kind].oauth_flow_path:
        raise KeyError(kind)
    return cast(OAuthFlow, _import_object(CREDENTIAL_KINDS[kind].oauth_flow_path))


def _import_object(path: str):  # type: ignore[no-untyped-def]
    module, name = path.rsplit(".", 1)
    return getattr(import_module(module), name)
