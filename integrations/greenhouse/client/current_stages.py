"""Look up the current job stage of v3 applications that come without it."""

# Documented: in v3 `applications.stage_id` is the id of a stage history entry, not of a job stage.
# Newer responses also have `job_interview_stage_id`; otherwise `/v3/application_stages` tells it.
# Joined on the application, which is right even where `stage_id` is a job stage after all.

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from integrations.ats.errors import LIST_REFUSALS
from integrations.ats.types import Application, StageEntry

_MAX_FILTER_IDS = 50  # documented maximum of an id filter
_FULL_LIST_THRESHOLD = 150  # unknown stages on a page; above it, reading the full list is cheaper


class CurrentStages:
    """Fills `stage_id` from stage history; without permission for that it stays None."""

    def __init__(self, list_entries: Callable[[Mapping[str, str]], Iterable[StageEntry]]) -> None:
        self._list_entries = list_entries
        self._is_forbidden = False
        self._listed_entries: dict[int, StageEntry] | None = None

    def fill_stages(self, applications: tuple[Application, ...]) -> tuple[Application, ...]:
        incomplete = [application for application in applications if _lacks_stage(application)]
        if not incomplete:
            return applications
        # Without a fingerprint: another list decides which stage they are in.
        applications = tuple(
            msgspec.structs.replace(application, fingerprint=None)
            if _lacks_stage(application)
            else application
            for application in applications
        )
        if self._is_forbidden:
            return applications
        try:
            stage_ids = self._load_stage_ids(incomplete)
        except LIST_REFUSALS:
            self._is_forbidden = True
            return applications
        return tuple(
            msgspec.structs.replace(application, stage_id=stage_ids.get(application.id))
            if _lacks_stage(application)
            else application
            for application in applications
        )

    def _load_stage_ids(self, incomplete: list[Application]) -> dict[int, int]:
        if len(incomplete) >= _FULL_LIST_THRESHOLD and self._listed_entries is None:
            self._listed_entries = self._fetch_entries({"current": "true"})
        entries = {}
        application_ids = []
        for application in incomplete:
            entry = (self._listed_entries or {}).get(application.id)
            # Another stage than the application's: it moved after the list was read.
            if entry is None or application.stage_entry_id not in (entry.id, entry.stage_id):
                application_ids.append(application.id)
            else:
                entries[application.id] = entry
        for start in range(0, len(application_ids), _MAX_FILTER_IDS):
            chunk = application_ids[start : start + _MAX_FILTER_IDS]
            entries |= self._fetch_entries(
                {"application_ids": ",".join(map(str, chunk)), "current": "true"}
            )
        return {application_id: entry.stage_id for application_id, entry in entries.items()}

    def _fetch_entries(self, params: Mapping[str, str]) -> dict[int, StageEntry]:
        entries = self._list_entries(params)
        return {entry.application_id: entry for entry in entries if entry.current}


def _lacks_stage(application: Application) -> bool:
    return application.stage_id is None and application.stage_entry_id is not None
