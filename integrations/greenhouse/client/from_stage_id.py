"""Choose which id to send as v3's `from_stage_id`."""

# Sources disagree: clients of the live API send the application's `stage_id` (a stage history
# entry, `SeenStage.entry_id`), the API description says the job stage. We try the former first
# and remember per connection what worked [inferred].

from __future__ import annotations

from collections.abc import Iterator

from integrations.ats.client_context import ClientContext
from integrations.ats.types import SeenStage

ENTRY, STAGE = "entry", "stage"
_CHOICE_TTL = 30 * 86400.0  # seconds


class FromStageIdChoice:
    """Remembers for one connection which of the two ids Greenhouse accepts."""

    def __init__(self, context: ClientContext) -> None:
        self._state, self._key = context.state_store, f"{context.connection_key}:from-stage"
        self._choice: str | None = None

    def list_choices(self, seen: SeenStage) -> Iterator[tuple[str, int]]:
        """Yield (choice, id) pairs, the likelier first; none if the application has no stage."""
        first_choice = self._load_choice()
        for choice in (first_choice, STAGE if first_choice == ENTRY else ENTRY):
            value = seen.entry_id if choice == ENTRY else seen.stage_id
            if value is not None:
                yield choice, value

    def record_success(self, choice: str) -> None:
        if choice != self._choice:
            self._state.update(self._key, lambda _: (choice.encode(), None), ttl=_CHOICE_TTL)
            self._choice = choice

    def _load_choice(self) -> str:
        if self._choice is None:
            stored = self._state.update(self._key, lambda raw: (raw, raw), ttl=_CHOICE_TTL)
            self._choice = STAGE if stored == STAGE.encode() else ENTRY
        return self._choice
