"""The two generations of Harvest, each an `integrations.ats.port.Provider`."""

from __future__ import annotations

from integrations.greenhouse.harvest_v1 import HarvestV1
from integrations.greenhouse.harvest_v3 import HarvestV3

__all__ = ["HarvestV1", "HarvestV3"]
