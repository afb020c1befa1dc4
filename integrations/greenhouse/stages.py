"""Where v3 applications do not carry the job's stage, it is looked up.

`applications.stage_id` names the application's stay in a stage; newer answers carry
`job_interview_stage_id` too. Where that is absent, `/v3/application_stages` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from integrations.ats.errors import MissingPermission, NotSiteAdmin
from integrations.ats.types import Application, StageEntry

_CHUNK = 50  # documented maximum of an id filter
_WHOLE_LIST_FROM = 150  # unknown stages on one page from which reading all at once is cheaper


class CurrentStages:
    """The job's stage of each application's present stay.

    `entries` reads `/v3/application_stages` with the given parameters. Where that is not
    permitted the stage stays unknown: applications keep their stage's name and their entry id.
    """

    def __init__(self, entries: Callable[[Mapping[str, str]], Iterable[StageEntry]]) -> None:
        self._entries = entries
        self._refused = False
        self._all: dict[int, int] | None = None

    def fill(self, applications: tuple[Application, ...]) -> tuple[Application, ...]:
        """The same applications, with `stage_id` where it could be learnt."""
        lacking = [one for one in applications if _lacks(one)]
        if not lacking or self._refused:
            return applications
        try:
            known = self._learn(lacking)
        except (MissingPermission, NotSiteAdmin):
            self._refused = True
            return applications
        return tuple(
            msgspec.structs.replace(one, stage_id=known.get(one.stage_entry_id or 0))
            if _lacks(one)
            else one
            for one in applications
        )

    def _learn(self, lacking: list[Application]) -> dict[int, int]:
        """Entry id -> stage id. A page full of unknown ones reads the whole list, once."""
        if len(lacking) >= _WHOLE_LIST_FROM and self._all is None:
            self._all = self._read({"current": "true"})
        known = dict(self._all or {})
        ids = [one.id for one in lacking if one.stage_entry_id not in known]
        for start in range(0, len(ids), _CHUNK):
            chunk = ",".join(str(one) for one in ids[start : start + _CHUNK])
            known |= self._read({"application_ids": chunk, "current": "true"})
        return known

    def _read(self, params: Mapping[str, str]) -> dict[int, int]:
        return {entry.id: entry.stage_id for entry in self._entries(params)}


def _lacks(application: Application) -> bool:
    return application.stage_id is None and application.stage_entry_id is not None
