from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from portal.accounts.models import Membership
from portal.core.names import form_fields
from portal.jobs.job_list.filters import JobFilters, parse_filters


class SaveViewForm(forms.Form):
    """The query is normalized like the list's URL, so nothing else is saved."""

    name = form_fields.NameField(
        label="View name",
        max_length=60,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
        error_messages={"required": "Enter a name for the view."},
    )
    query = forms.CharField(required=False, max_length=600, widget=forms.HiddenInput)
    default = forms.BooleanField(label="Make default", required=False)

    def clean_query(self) -> JobFilters:
        return parse_filters(QueryDict(self.cleaned_data["query"]))


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
