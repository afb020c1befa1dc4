"""Other fields of an application: its source, its people, and what the customer added."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.utils.text import Truncator

from integrations.ats import types as ats
from integrations.ats.errors import Invalid
from integrations.ats.port import Provider
from integrations.ats.types import ApplicationChanges, ApplicationStatus, Receipt
from portal.applications import custom
from portal.applications.models import ApplicationAction, Kind
from portal.applications.verbs.base import (
    UNCHANGED,
    Change,
    Click,
    Ground,
    Status,
    Verb,
    click_back,
)
from portal.mirror.models import Application, AtsUser, Source

FIELDS = ("source", "recruiter", "coordinator")


class Update(Verb):
    """`parameters` hold, for each changed field, Greenhouse's id, ours, the name, and what was;
    under `custom`, by the field's key, what `portal.applications.custom.change` gives.
    """

    kind = Kind.UPDATE
    label = "Update"
    icon = "pencil"
    doing = "Update"
    past = "updated"
    feature = "update"

    def fits(self, application: Application) -> bool:
        return application.status in (ApplicationStatus.ACTIVE, ApplicationStatus.REJECTED)

    def differs_from_seen(self, action: ApplicationAction, now: ats.Application) -> bool:
        """Wherever the application stands: whether one of the fields holds something else now."""
        for name, new in _changed(action).items():
            was, holds = new["was"], getattr(now, f"{name}_id")
            if holds != (was["remote"] if was else None) and (was or _known(action, name, holds)):
                return True
        fields = _custom(action).items()
        return any(
            not custom.same(now.custom_fields.get(key), one["was"]["told"]) for key, one in fields
        )

    def send(self, provider: Provider, action: ApplicationAction) -> Receipt:
        changes = {f"{name}_id": new["remote"] for name, new in _changed(action).items()}
        if gone := [new["label"] for new in _custom(action).values() if "send" not in new]:
            raise Invalid(
                dict.fromkeys(gone, "no longer offered"),
                f"What was chosen for “{gone[0]}” can no longer be chosen in Greenhouse.",
            )
        fields = {key: new["send"] for key, new in _custom(action).items()}
        return provider.update(
            action.application.remote_id,
            changes=ApplicationChanges(**changes, custom_fields=fields),
            acting_user_id=action.acting_user_id,
        )

    def judged(self, action: ApplicationAction, now: Application) -> tuple[str, str]:
        if _stands(action, now):
            return Status.DONE, self.done(action, now)
        return Status.FAILED, UNCHANGED

    def done(self, action: ApplicationAction, now: Application) -> str:
        told = [f"{change.label} is now {_short(change.now)}" for change in self.changes(action)]
        return f"Updated in Greenhouse: {'; '.join(told)}."

    def changes(self, action: ApplicationAction) -> list[Change]:
        plain = [
            Change(name, new["was"]["name"] if new["was"] else "", new["name"])
            for name, new in _changed(action).items()
        ]
        return plain + [
            Change(one["label"], one["was"]["words"], one["words"])
            for one in _custom(action).values()
        ]

    def no_way_back(self, action: ApplicationAction, jobs: Collection[int]) -> str:
        if not all(new["was"] for new in _changed(action).values()):
            return "A field that was empty before cannot be emptied from here."
        if not all("send" in one["was"] for one in _custom(action).values()):
            return "What stood there before can no longer be chosen in Greenhouse."
        return ""

    def conflict(self, action: ApplicationAction, now: Application) -> list[Change]:
        """Each field with what it was on screen and what it holds now, where these differ."""
        plain = [
            Change(name, new["was"]["name"] if new["was"] else "", str(getattr(now, name) or ""))
            for name, new in _changed(action).items()
        ]
        fields = [
            Change(
                one["label"], one["was"]["words"], custom.words(one["type"], now.custom.get(key))
            )
            for key, one in _custom(action).items()
        ]
        return [change for change in plain + fields if change.was != change.now]

    def inverse(self, action: ApplicationAction, now: Application, at: Ground) -> Click | str:
        if not _stands(action, now):
            return ""
        if why := self.no_way_back(action, ()):
            return why
        plain, fields = _changed(action), _custom(action)
        back = {name: {**new["was"], "was": _without_was(new)} for name, new in plain.items()}
        if fields:
            back["custom"] = {
                key: {**_about(one), **one["was"], "was": _without_was(one)}
                for key, one in fields.items()
            }
        return click_back(Kind.UPDATE, action, now, parameters=back)

    def anew(self, action: ApplicationAction, now: Application) -> Mapping[str, Any]:
        """The same values, from what the fields hold now."""
        plain = {
            name: {**new, "was": _named(getattr(now, name))}
            for name, new in _changed(action).items()
        }
        here = {one.field.key: one for one in custom.held(now.connection_id, now.custom)}
        fields = {
            key: custom.change(here[key].field, one["told"], here[key].told)
            for key, one in _custom(action).items()
            if key in here
        }
        return {**plain, "custom": fields} if fields else plain


def _changed(action: ApplicationAction) -> dict[str, dict[str, Any]]:
    return {name: action.parameters[name] for name in FIELDS if name in action.parameters}


def _custom(action: ApplicationAction) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = action.parameters.get("custom", {})
    return found


def _without_was(new: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in new.items() if key not in ("was", "label", "type")}


def _about(new: Mapping[str, Any]) -> dict[str, Any]:
    return {"label": new["label"], "type": new["type"]}


def _named(record: Source | AtsUser | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {"remote": record.remote_id, "pk": record.pk, "name": str(record)}


def _known(action: ApplicationAction, name: str, remote_id: int | None) -> bool:
    """Whether the mirror holds this one: one that it lacks looked like nobody on screen."""
    model: Any = Source if name == "source" else AtsUser
    connection = action.application.connection_id
    found: bool = model.objects.filter(connection_id=connection, remote_id=remote_id).exists()
    return found


def _stands(action: ApplicationAction, now: Application) -> bool:
    plain = all(getattr(now, f"{name}_id") == new["pk"] for name, new in _changed(action).items())
    fields = _custom(action).items()
    return plain and all(custom.same(now.custom.get(key), new["told"]) for key, new in fields)


def _short(words: str) -> str:
    return Truncator(words.replace("\n", " ")).chars(60) if words else "empty"
