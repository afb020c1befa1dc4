from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import available_timezones

from django import forms

from portal.accounts.models import Membership
from portal.core.names import form_fields
from portal.jobs.applicant_emails.subscriptions import is_time_zone
from portal.jobs.models import ApplicantSubscription, SavedView
from portal.jobs.saved_views import MAX_SAVED_VIEWS, SavedViews, ViewQuery

MAX_QUERY_LENGTH = 2000
EMPTY_VIEW_MESSAGE = "Add a filter or a sort order first. This view would show the whole list."
EMPTY_SEARCH_MESSAGE = (
    "Search terms that may be a candidate's name aren't saved. Add a filter or a sort order, then "
    "save the view."
)


class SaveViewForm(forms.Form):
    """`normalize_query` says what is stored of the posted query, so that nothing else is."""

    name = form_fields.NameField(
        label="View name",
        max_length=60,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
        error_messages={"required": "Enter a name for the view."},
    )
    query = forms.CharField(required=False, widget=forms.HiddenInput)
    default = forms.BooleanField(label="Make default", required=False)

    def __init__(
        self, data: Any, views: SavedViews, normalize_query: Callable[[str], ViewQuery]
    ) -> None:
        super().__init__(data)
        self._views = views
        self._normalize_query = normalize_query

    def clean(self) -> None:
        self.view_query = self._normalize_query(self.cleaned_data.get("query", ""))
        if message := self._explain_refusal():
            self.add_error(None, message)

    def save(self) -> SavedView:
        data = self.cleaned_data
        return self._views.save_view(data["name"], self.view_query.query, default=data["default"])

    def _explain_refusal(self) -> str:
        if self.view_query.is_empty:
            return EMPTY_SEARCH_MESSAGE if self.view_query.drops_search else EMPTY_VIEW_MESSAGE
        if len(self.view_query.query) > MAX_QUERY_LENGTH:
            return "This view has too many filters to save. Remove some first."
        if self._views.is_full(self.cleaned_data.get("name", "")):
            return f"You can save up to {MAX_SAVED_VIEWS} views of a list. Delete one first."
        return ""


class _MemberField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.user} ({obj.user.email})"


class ExplainAccessForm(forms.Form):
    about = _MemberField(
        Membership.objects.none(),
        required=False,
        label="Person",
        empty_label=None,
        widget=forms.Select(attrs={"class": "input"}),
    )
    job = forms.CharField(
        label="Requisition",
        help_text="Its title, requisition ID, Greenhouse ID or Greenhouse link.",
        max_length=300,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
        error_messages={"required": "Enter a title, an ID or a link."},
    )

    def __init__(self, *args: Any, member: Membership, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not member.is_admin:
            del self.fields["about"]
            return
        people = Membership.objects.filter(organization=member.organization_id)
        about: Any = self.fields["about"]
        about.queryset = people.select_related("user").order_by("user__name", "id")
        about.initial = member.pk


class SubscriptionForm(forms.Form):
    frequency = forms.ChoiceField(
        label="Email me about new applicants",
        choices=[("", "Never"), *ApplicantSubscription.Frequency.choices],
        required=False,
        widget=forms.RadioSelect,
    )
    # Filled in by the browser's script; used if no time zone was chosen yet.
    zone = forms.CharField(required=False, widget=forms.HiddenInput(attrs={"data-zone": ""}))


class TimeZoneForm(forms.Form):
    time_zone = forms.ChoiceField(
        label="Time zone",
        widget=forms.Select(attrs={"class": "input"}),
        error_messages={"required": "Choose a time zone."},
    )

    def __init__(self, data: Any, *, current: str) -> None:
        super().__init__(data, initial={"time_zone": current or "UTC"})
        zones = {zone for zone in available_timezones() if _is_place(zone)} | {"UTC"}
        if is_time_zone(current):
            zones.add(current)
        choices = [(zone, zone.replace("_", " ")) for zone in sorted(zones)]
        self.fields["time_zone"].choices = choices  # type: ignore[attr-defined]


def _is_place(zone: str) -> bool:
    return "/" in zone and not zone.startswith(("Etc/", "SystemV/", "US/"))
