"""Makes decisions that were changed outside the portal readable, so that a page can show that they
were.
"""

from __future__ import annotations

from typing import Any

from portal.applications.models import ActionKind
from portal.decisions.models import Decision
from portal.decisions.seal import FREE_TEXT_KEYS


def repair_shape(decision: Decision) -> None:
    """Replace values that no decision of the portal has; those of the right shape stay."""
    if decision.kind not in ActionKind.values:
        decision.kind = ActionKind.UPDATE
    if decision.undoes_kind not in ("", *ActionKind.values):
        decision.undoes_kind = ""
    if decision.result not in Decision.Result.values:
        decision.result = Decision.Result.UNCONFIRMED
    decision.changed_fields = _list_texts(decision.changed_fields)
    decision.filters = _list_pairs(decision.filters)
    stored = decision.free_text if isinstance(decision.free_text, dict) else {}
    free_text = {name: value for name, value in stored.items() if name in FREE_TEXT_KEYS}
    if "words" in free_text:
        free_text["words"] = _list_texts(free_text["words"])
    if "answers" in free_text:
        free_text["answers"] = _list_pairs(free_text["answers"])
    decision.free_text = free_text


def _list_texts(values: Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []


def _list_pairs(values: Any) -> list[list[str]]:
    rows = values if isinstance(values, list) else []
    return [_list_texts(row) for row in rows if isinstance(row, list) and len(row) == 2]
