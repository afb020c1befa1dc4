"""Harvest's two generations, v3 by either of its credentials: `integrations.ats.port.Provider`s."""

from __future__ import annotations

from integrations.greenhouse.harvest_v1 import HarvestV1
from integrations.greenhouse.harvest_v3 import HarvestV3
from integrations.greenhouse.partner import HarvestPartner

__all__ = ["HarvestPartner", "HarvestV1", "HarvestV3"]
