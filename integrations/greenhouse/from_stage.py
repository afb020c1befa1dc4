"""The one place that decides what v3's `from_stage_id` is.

Sources disagree: clients that run against the live API send the application's `stage_id` (its stay
in the stage, `SeenStage.entry_id`), descriptions of the API say the job's stage. We begin with the
former, learn from a refusal, and remember for the connection what worked [inferred].
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.ats.types import SeenStage
from integrations.ats.wiring import Wiring

ENTRY, STAGE = "entry", "stage"
_REMEMBERED = 30 * 86400.0


class FromStage:
    """Remembers, for one connection, which of the two ids Greenhouse takes."""

    def __init__(self, wiring: Wiring) -> None:
        self._state, self._key = wiring.state, f"{wiring.key}:from-stage"
        self._known: str | None = None

    def candidates(self, seen: SeenStage) -> Iterator[tuple[str, int]]:
        """The ids to try, the likelier first; nothing where the application is in no stage."""
        known = self._recall()
        for which in (known, STAGE if known == ENTRY else ENTRY):
            value = seen.entry_id if which == ENTRY else seen.stage_id
            if value is not None:
                yield which, value

    def worked(self, which: str) -> None:
        """Greenhouse took this kind of id."""
        if which != self._known:
            self._state.update(self._key, lambda _: (which.encode(), None), ttl=_REMEMBERED)
            self._known = which

    def _recall(self) -> str:
        if self._known is None:
            kept = self._state.update(self._key, lambda raw: (raw, raw), ttl=_REMEMBERED)
            self._known = STAGE if kept == STAGE.encode() else ENTRY
        return self._known
