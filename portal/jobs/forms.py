from __future__ import annotations

from calendar import day_name
from collections.abc import Callable
from typing import Any
from zoneinfo import available_timezones

from django import forms

from portal.accounts.models import Membership
from portal.core.names import form_fields
from portal.jobs.answers.holidays import (
    Holiday,
    UnreadableHolidays,
    format_holidays,
    parse_holidays,
)
from portal.jobs.answers.promise import MAX_DAYS
from portal.jobs.applicant_emails.subscriptions import is_time_zone
from portal.jobs.models import AnswerPromise, ApplicantSubscription, SavedView
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
        self.fields["time_zone"].choices = _list_time_zones(current)  # type: ignore[attr-defined]


class AnswerPromiseForm(forms.Form):
    days = forms.IntegerField(
        label="Answer within",
        help_text=f"Working days, from 1 to {MAX_DAYS}. The day on which an application starts to "
        "need a decision doesn't count. The answer is due at the end of the last day.",
        min_value=1,
        max_value=MAX_DAYS,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        error_messages={
            "required": "Enter a number of working days.",
            "invalid": f"Enter a whole number from 1 to {MAX_DAYS}.",
            "min_value": f"Enter a number from 1 to {MAX_DAYS}.",
            "max_value": f"Enter a number from 1 to {MAX_DAYS}.",
        },
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        help_text="Decides when a day begins and ends.",
        widget=forms.Select(attrs={"class": "input"}),
        error_messages={
            "required": "Choose a time zone.",
            "invalid_choice": "Choose a time zone from the list.",
        },
    )
    working_days = forms.TypedMultipleChoiceField(
        label="Working days",
        choices=list(enumerate(day_name)),
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Select at least one working day.",
            "invalid_choice": "Select days of the week from the list.",
        },
    )
    holidays = forms.CharField(
        label="Holidays",
        required=False,
        help_text="One per line: the date, then a name if you like, such as "
        "“2026-12-25 Christmas Day”.",
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
        error_messages={"max_length": "Enter at most 20,000 characters."},
    )

    def __init__(self, data: Any, *, promise: AnswerPromise) -> None:
        initial = {
            "days": promise.days,
            "time_zone": promise.time_zone,
            "working_days": promise.working_days,
            "holidays": format_holidays(promise.holidays),
        }
        super().__init__(data, initial=initial)
        zones = _list_time_zones(promise.time_zone)
        self.fields["time_zone"].choices = zones  # type: ignore[attr-defined]

    def clean_holidays(self) -> list[Holiday]:
        try:
            return parse_holidays(self.cleaned_data["holidays"])
        except UnreadableHolidays as error:
            raise forms.ValidationError(str(error)) from None


def _list_time_zones(current: str) -> list[tuple[str, str]]:
    zones = {zone for zone in available_timezones() if _is_place(zone)} | {"UTC"}
    if is_time_zone(current):
        zones.add(current)
    return [(zone, zone.replace("_", " ")) for zone in sorted(zones)]


def _is_place(zone: str) -> bool:
    return "/" in zone and not zone.startswith(("Etc/", "SystemV/", "US/"))
