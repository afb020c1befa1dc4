"""Why something could not be read from Greenhouse within a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadFailure:
    sentence: str
    retry_seconds: int = 0  # 0: asking again would not help
