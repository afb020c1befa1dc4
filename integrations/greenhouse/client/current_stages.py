"""Look up the current job stage of v3 applications that come without it."""

# In v3 `applications.stage_id` is the id of a stage history entry, not of a job stage. Newer
# responses also have `job_interview_stage_id`; otherwise `/v3/application_stages` maps one to the
# other.

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from integrations.ats.errors import MissingPermission, NotSiteAdmin
from integrations.ats.types import Application, StageEntry

_MAX_FILTER_IDS = 50  # documented maximum of an id filter
_FULL_LIST_THRESHOLD = 150  # unknown stages on a page; above it, reading the full list is cheaper


class CurrentStages:
    """Fills `stage_id` from stage history; without permission for that it stays None."""

    def __init__(self, list_entries: Callable[[Mapping[str, str]], Iterable[StageEntry]]) -> None:
        self._list_entries = list_entries
        self._is_forbidden = False
        self._current_stage_ids: dict[int, int] | None = None

    def fill_stages(self, applications: tuple[Application, ...]) -> tuple[Application, ...]:
        incomplete = [application for application in applications if _lacks_stage(application)]
        if not incomplete or self._is_forbidden:
            return applications
        try:
            stage_ids = self._load_stage_ids(incomplete)
        except (MissingPermission, NotSiteAdmin):
            self._is_forbidden = True
            return applications
        return tuple(
            msgspec.structs.replace(
                application, stage_id=stage_ids.get(application.stage_entry_id or 0)
            )
            if _lacks_stage(application)
            else application
            for application in applications
        )

    def _load_stage_ids(self, incomplete: list[Application]) -> dict[int, int]:
        if len(incomplete) >= _FULL_LIST_THRESHOLD and self._current_stage_ids is None:
            self._current_stage_ids = self._fetch_stage_ids({"current": "true"})
        stage_ids = dict(self._current_stage_ids or {})
        application_ids = [
            application.id
            for application in incomplete
            if application.stage_entry_id not in stage_ids
        ]
        for start in range(0, len(application_ids), _MAX_FILTER_IDS):
            chunk = application_ids[start : start + _MAX_FILTER_IDS]
            stage_ids |= self._fetch_stage_ids(
                {"application_ids": ",".join(map(str, chunk)), "current": "true"}
            )
        return stage_ids

    def _fetch_stage_ids(self, params: Mapping[str, str]) -> dict[int, int]:
        return {entry.id: entry.stage_id for entry in self._list_entries(params)}


def _lacks_stage(application: Application) -> bool:
    return application.stage_id is None and application.stage_entry_id is not None
