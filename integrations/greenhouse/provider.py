"""One credential's access to a Greenhouse account, whichever version of Harvest answers.

All methods may raise AtsError; writes are never retried. Lists resume from `cursor`
(`Page.cursor`). A list that a version embeds in other records, or doesn't have, yields one empty
page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from integrations.ats.client_context import ClientContext
from integrations.greenhouse.client.harvest_v1 import HarvestV1
from integrations.greenhouse.client.harvest_v3 import HarvestV3
from integrations.greenhouse.oauth.partner import HarvestPartner

Provider = HarvestV1 | HarvestV3

PROVIDER_CLASSES: Mapping[str, type[HarvestV1] | type[HarvestV3]] = {
    provider.kind: provider for provider in (HarvestV3, HarvestPartner, HarvestV1)
}


def create_provider(kind: str, secrets: Mapping[str, str], context: ClientContext) -> Provider:
    """Create a provider without connecting. For an OAuth consent, `secrets` are the app's client ID
    and secret; the tokens are in `context.token_stores`.
    """
    return PROVIDER_CLASSES[kind](secrets, context)


def list_parser_files() -> list[Path]:
    """The code that turns responses into records: what it makes of one may differ by version."""
    folder = Path(__file__).parent
    packages = (folder / "payloads", folder.parent / "ats")
    return [path for package in packages for path in sorted(package.glob("*.py"))]
