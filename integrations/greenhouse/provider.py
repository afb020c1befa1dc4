"""The Greenhouse implementations of `integrations.ats.provider.Provider`."""

from __future__ import annotations

from integrations.greenhouse.client.harvest_v1 import HarvestV1
from integrations.greenhouse.client.harvest_v3 import HarvestV3
from integrations.greenhouse.oauth.partner import HarvestPartner

__all__ = ["HarvestPartner", "HarvestV1", "HarvestV3"]
