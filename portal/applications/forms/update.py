"""Changing fields of an application: Greenhouse's own, and those that the customer added."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q

from portal.applications import custom
from portal.applications.custom import EMPTY, Held
from portal.applications.forms.click import FormOnApplication
from portal.applications.forms.custom import form_field, told
from portal.applications.verbs.update import FIELDS
from portal.core.keys import as_key
from portal.mirror.models import AtsUser, Source

NOTHING = "Nothing is changed yet. Change something above."
NEEDED = "Greenhouse asks for a value here, so it cannot be emptied."


class UpdateForm(FormOnApplication):
    """Change source, recruiter, coordinator, or custom fields. What is as it was is not sent.

    `custom` holds the fields that are offered by the name of their form field; `elsewhere` those
    whose type is changed in Greenhouse only.
    """

    source = forms.ModelChoiceField(queryset=Source.objects.none(), required=False)
    recruiter = forms.ModelChoiceField(queryset=AtsUser.objects.none(), required=False)
    coordinator = forms.ModelChoiceField(queryset=AtsUser.objects.none(), required=False)

    custom: dict[str, Held]
    elsewhere: list[Held]

    def prepare(self) -> None:
        connection = self.application.connection_id
        users = AtsUser.objects.filter(connection_id=connection, gone_at=None, deactivated=False)
        sources = Source.objects.filter(connection_id=connection, gone_at=None)
        for name in FIELDS:
            self._offer(name, sources if name == "source" else users)
        self._offer_custom(connection)

    def _offer(self, name: str, rows: Any) -> None:
        """What it is now stands there as well, though it may be offered to nobody any more."""
        field: Any = self.fields[name]
        now = getattr(self.application, f"{name}_id")
        field.queryset = (rows | rows.model.objects.filter(Q(pk=now))).order_by("name", "id")
        field.initial = now
        field.empty_label = "Not given" if now is None else None  # v1 cannot be sent "nobody"
        field.show_hidden_initial = True

    def _offer_custom(self, connection: int) -> None:
        off = "custom_fields" in self.at.held.features.off
        every = [] if off else custom.held(connection, self.application.custom)
        self.custom = {f"custom-{one.field.pk}": one for one in every if one.writable}
        self.elsewhere = [one for one in every if not one.writable and one.words]
        for name, one in self.custom.items():
            self.fields[name] = form_field(one)
        for shown in self.fields.values():  # each may be left as it is: no word on that
            shown.hide_optional = True  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name, one in self._changed_custom().items():
            if one.field.required and one.told not in EMPTY and data.get(name) in EMPTY:
                self.add_error(name, NEEDED)
        if not self.errors and not self.parameters():
            raise forms.ValidationError(NOTHING)
        return data

    def _changed_custom(self) -> dict[str, Held]:
        changed = set(self.changed_data)
        valid = self.custom.keys() & changed & self.cleaned_data.keys()
        return {name: one for name, one in self.custom.items() if name in valid}

    def parameters(self) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for name in FIELDS:
            new, was = self.cleaned_data.get(name), self._record_on_screen(name)
            if name in self.changed_data and new is not None and new != was:
                changes[name] = {**(_named(new) or {}), "was": _named(was)}
        fields = {
            one.field.key: custom.change(one.field, new, was)
            for name, one in self._changed_custom().items()
            if not custom.same(
                new := told(one, self.cleaned_data[name]), was := self._told_on_screen(name, one)
            )
        }
        return {**changes, "custom": fields} if fields else changes

    def _record_on_screen(self, name: str) -> Source | AtsUser | None:
        """What the field showed: somebody may have changed it since, which is a conflict then."""
        shown, current = self._shown(name)
        if current:
            return getattr(self.application, name)  # type: ignore[no-any-return]
        field: Any = self.fields[name]
        here = field.queryset.model.objects.filter(connection_id=self.application.connection_id)
        found: Source | AtsUser | None = here.filter(pk=as_key(str(shown or ""))).first()
        return found

    def _told_on_screen(self, name: str, one: Held) -> Any:
        shown, current = self._shown(name)
        if current:
            return one.told
        try:
            return told(one, self.fields[name].clean(shown))
        except forms.ValidationError:  # an option that was taken out since
            return None

    def _shown(self, name: str) -> tuple[Any, bool]:
        """What the form says that the field showed, and whether it holds that still."""
        bound = self[name]
        if not any(key.startswith("initial-") for key in self.data):
            return None, True
        widget = bound.field.hidden_widget()
        shown = widget.value_from_datadict(self.data, self.files, bound.html_initial_name)
        return shown, not bound.field.has_changed(bound.field.initial, shown)


def _named(record: Source | AtsUser | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {"remote": record.remote_id, "pk": record.pk, "name": str(record)}
