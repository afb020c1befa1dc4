from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms

from portal.accounts.models import Membership, Organization
from portal.audit import verbs
from portal.audit.models import Entry, EntryQuerySet
from portal.web.time_zones import find_start_of_day, parse_time_zone

STAFF_CHOICE, PORTAL_CHOICE = "success", "portal"
_VERB_LABELS = {
    "signin.signed_in": "Signed in",
    "signin.joined": "Joined with single sign-on",
    "signin.password_changed": "Password changed",
    "signin.one_time_codes_enabled": "Two-step sign-in turned on",
    "signin.one_time_codes_disabled": "Two-step sign-in turned off",
    "setup.prepared": "Setup prepared",
    "member.sign_in_unlinked": "New sign-in allowed",
    "organization.changed": "Customer renamed",
    "organization.created": "Customer created",
    "organization.erased": "Customer erased",
    "account.changed": "Account changed",
    "account.created": "Account created",
    "impersonation.started": "Staff started viewing as a member",
    "impersonation.ended": "Staff stopped viewing as a member",
    "service_account.used": "Service account used",
    "connection.service_account_changed": "Service account changed",
    "support.admin_invited": "Admin invited by staff",
    "support.bundle_downloaded": "Diagnostics downloaded by staff",
    "support.check_requested": "Permission check requested by staff",
    "support.connection_paused": "Connection paused by staff",
    "support.connection_resumed": "Connection resumed by staff",
    "support.fix_link_created": "Fix link created by staff",
    "support.fix_link_revoked": "Fix link revoked by staff",
    "support.invitation_resent": "Invitation resent by staff",
    "support.invitation_revoked": "Invitation revoked by staff",
    "support.message_sent": "Message sent by staff",
    "support.refresh_requested": "Refresh requested by staff",
    "support.sync_requested": "Sync requested by staff",
    "view.shared": "View shared",
    "view.unshared": "View no longer shared",
    "jobs.exported": "Requisitions exported",
    "applications.exported": "Applications exported",
    "decision_record.started": "Decision record started",
    "decision_record.exported": "Decision record exported",
    "decision_record.printed": "Decision record opened to print",
    "decision_record.expired": "Old decisions deleted",
    "decision_record.retention_changed": "Decision record settings changed",
}


class LogForm(forms.Form):
    """Filters of the log. Values that make no sense are errors, not ignored."""

    who = forms.ChoiceField(label="Person", required=False)
    what = forms.ChoiceField(label="Activity", required=False)
    since = forms.DateField(
        label="From",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "input"}),
    )
    until = forms.DateField(
        label="To",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "input"}),
    )

    # Filled in by the script: the reader's time zone.
    zone = forms.CharField(
        required=False,
        max_length=60,
        widget=forms.HiddenInput(attrs={"data-zone": ""}),
    )

    def __init__(self, data: Any, organization: Organization) -> None:
        super().__init__(data)
        self.organization = organization
        memberships = Membership._base_manager.filter(organization=organization)
        self.members = {
            member.user_id: f"{member.user} (removed)" if member.ended_at else str(member.user)
            for member in memberships.filter(user__erased_at=None)
            .select_related("user")
            .order_by("user__name", "user__email")
        }
        self._set_choices("who", "Anyone", self._list_people_choices())
        self._set_choices(
            "what",
            "All activity",
            [(verb, format_verb(verb)) for verb in verbs.list_used_verbs(organization.pk)],
        )

    def _set_choices(self, name: str, all_label: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (for the type)
        field.choices = [("", all_label), *choices]
        self.fields[name].widget.attrs["class"] = "input"

    def _list_people_choices(self) -> list[tuple[str, str]]:
        people = [(str(pk), name) for pk, name in self.members.items()]
        return [
            *people,
            (STAFF_CHOICE, "Inbound Talent staff"),
            (PORTAL_CHOICE, "Inbound Talent (automatic)"),
        ]

    def get_entries(self) -> EntryQuerySet:
        entries = Entry.objects.filter(organization=self.organization).with_redaction()
        filters = self.cleaned_data
        if filters.get("who") == PORTAL_CHOICE:
            entries = entries.filter(by=None)
        elif filters.get("who") == STAFF_CHOICE:
            memberships = Membership._base_manager.filter(organization=self.organization)
            entries = entries.exclude(by=None).exclude(by_id__in=memberships.values("user"))
        elif filters.get("who"):
            entries = entries.filter(by_id=int(filters["who"]))
        if filters.get("what"):
            entries = entries.filter(verb=filters["what"])
        zone = parse_time_zone(filters.get("zone", ""))
        if filters.get("since"):
            entries = entries.filter(at__gte=find_start_of_day(filters["since"], zone))
        if filters.get("until") and filters["until"] < date.max:  # no later day exists
            next_day = filters["until"] + timedelta(days=1)
            entries = entries.filter(at__lt=find_start_of_day(next_day, zone))
        return entries.order_by("-id")


def format_verb(verb: str) -> str:
    # "credential.entered" becomes "Credential entered".
    label = verb.replace("single_sign_on", "single sign-on").replace(".", " ").replace("_", " ")
    return _VERB_LABELS.get(verb) or label.capitalize()
