"""Other fields of an application: its source, its recruiter, its coordinator."""

from __future__ import annotations

from typing import Any

from integrations.ats.port import Provider
from integrations.ats.types import ApplicationChanges, ApplicationStatus, Receipt
from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs.base import UNCHANGED, Click, Ground, Status, Verb, click_back
from portal.mirror.models import Application

FIELDS = ("source", "recruiter", "coordinator")


class Update(Verb):
    """`parameters` hold, for each changed field, Greenhouse's id, ours, the name, and what was.

    Custom fields are not offered: the applications we read do not carry them.
    """

    kind = Kind.UPDATE
    label = "Update"
    icon = "pencil"
    doing = "Update"
    feature = "update"
    guarded = True  # it says what the field shall be, wherever the application stands

    def fits(self, application: Application) -> bool:
        return application.status in (ApplicationStatus.ACTIVE, ApplicationStatus.REJECTED)

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        changes = {f"{name}_id": new["remote"] for name, new in _changed(action).items()}
        return provider.update(
            action.application.remote_id,
            changes=ApplicationChanges(**changes),
            acting_user_id=action.acting_user_remote_id or 0,
        )

    def judged(self, action: ApplicationAction, now: Application) -> tuple[str, str]:
        if _stands(action, now):
            return Status.DONE, self.done(action, now)
        return Status.FAILED, UNCHANGED

    def done(self, action: ApplicationAction, now: Application) -> str:
        told = (f"{name} is now {new['name']}" for name, new in _changed(action).items())
        return f"Updated in Greenhouse: {', '.join(told)}."

    def inverse(self, action: ApplicationAction, now: Application, at: Ground) -> Click | None:
        """Only where every field had a value before: an empty one cannot be sent."""
        was = {name: new["was"] for name, new in _changed(action).items()}
        if not _stands(action, now) or not all(was.values()):
            return None
        back = {name: {**was[name], "was": _without_was(new)}
                for name, new in _changed(action).items()}  # fmt: skip
        return click_back(Kind.UPDATE, action, now, parameters=back)


def _changed(action: ApplicationAction) -> dict[str, dict[str, Any]]:
    return {name: action.parameters[name] for name in FIELDS if name in action.parameters}


def _without_was(new: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in new.items() if key != "was"}


def _stands(action: ApplicationAction, now: Application) -> bool:
    return all(getattr(now, f"{name}_id") == new["pk"] for name, new in _changed(action).items())
