"""Which kinds of credential we serve, and how a provider is opened for each.

A new vendor is a folder beside `integrations.greenhouse` and its lines here; a class is imported
only when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

import msgspec

from integrations.ats.consent import ConsentDoor
from integrations.ats.permissions import Catalogue
from integrations.ats.port import Provider
from integrations.ats.webhooks import WebHooks
from integrations.ats.wiring import Wiring


class SecretField(msgspec.Struct, frozen=True, kw_only=True):
    """A value that the customer's admin enters. `secret` ones are never shown again."""

    name: str
    label: str
    secret: bool
    help: str


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of credential."""

    key: str
    label: str
    fields: tuple[SecretField, ...]
    provider: str  # dotted path of a class called with (secrets, wiring)
    catalogue: str  # dotted path of a Catalogue
    web_hooks: str  # dotted path of a WebHooks
    consent: str = ""  # dotted path of a ConsentDoor, for a kind that is not entered but agreed to


_CATALOGUE = "integrations.greenhouse.catalogue.CATALOGUE"
_WEB_HOOKS = "integrations.greenhouse.webhooks.WEB_HOOKS"

KINDS: Mapping[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind(
            key="harvest_oauth",
            label="Harvest v3",
            fields=(
                SecretField(
                    name="client_id",
                    label="Client ID",
                    secret=False,
                    help="The first of the two values that Greenhouse shows.",
                ),
                SecretField(
                    name="client_secret",
                    label="Client secret",
                    secret=True,
                    help="Greenhouse shows it once, right after the credential is made.",
                ),
                SecretField(
                    name="reader_id",
                    label="Greenhouse user ID of a Site Admin",
                    secret=False,
                    help="Only needed when the credential's own service user is no Site Admin.",
                ),
            ),
            provider="integrations.greenhouse.provider.HarvestV3",
            catalogue=_CATALOGUE,
            web_hooks=_WEB_HOOKS,
        ),
        Kind(
            key="harvest_partner",
            label="Consent in Greenhouse",
            fields=(),
            provider="integrations.greenhouse.provider.HarvestPartner",
            catalogue=_CATALOGUE,
            web_hooks=_WEB_HOOKS,
            consent="integrations.greenhouse.partner.CONSENT",
        ),
        Kind(
            key="harvest_key",
            label="API key (v1)",
            fields=(
                SecretField(
                    name="api_key",
                    label="Harvest API key",
                    secret=True,
                    help="One long value of letters and digits.",
                ),
            ),
            provider="integrations.greenhouse.provider.HarvestV1",
            catalogue=_CATALOGUE,
            web_hooks=_WEB_HOOKS,
        ),
    )
}


def open_provider(kind: str, secrets: Mapping[str, str], wiring: Wiring) -> Provider:
    """A provider for a credential of this kind. Opens no connection yet.

    `secrets` maps the names of `Kind.fields` to their values; for a consent they are the partner's
    `client_id` and `client_secret`, and the tokens are in `wiring.chains`. Raises
    KeyError for an unknown kind.
    """
    return cast(Provider, _load(KINDS[kind].provider)(secrets, wiring))


def catalogue(kind: str) -> Catalogue:
    """The permission catalogue of the vendor behind this kind of credential."""
    return cast(Catalogue, _load(KINDS[kind].catalogue))


def web_hooks(kind: str) -> WebHooks:
    """The web hooks of the vendor behind this kind of credential."""
    return cast(WebHooks, _load(KINDS[kind].web_hooks))


def consent_door(kind: str) -> ConsentDoor:
    """How consents are asked for at the vendor. Raises KeyError for a kind that is entered."""
    if not KINDS[kind].consent:
        raise KeyError(kind)
    return cast(ConsentDoor, _load(KINDS[kind].consent))


def _load(path: str):  # type: ignore[no-untyped-def]  # whatever stands at the path
    module, name = path.rsplit(".", 1)
    return getattr(import_module(module), name)
