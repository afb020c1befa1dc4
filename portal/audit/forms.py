"""What an organization's log may be narrowed down to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms

from portal.accounts.models import Membership, Organization
from portal.audit import verbs
from portal.audit.models import Entry, EntryQuerySet

ELSEWHERE, PORTAL = "success", "portal"
_SAID = {
    "signin.in": "Signed in",
    "signin.joined": "Joined by single sign-on",
    "signin.password": "Password changed",
    "signin.codes_on": "One-time codes on",
    "signin.codes_off": "One-time codes off",
    "setup.prepared": "Set-up prepared",
    "jobs.exported": "Requisitions exported",
}


class LogForm(forms.Form):
    """Who, what, when. Everything may be left out; what makes no sense is said, not ignored."""

    who = forms.ChoiceField(required=False)
    what = forms.ChoiceField(required=False)
    since = forms.DateField(
        label="From",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "input"}),
    )
    until = forms.DateField(
        label="To, including",
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "input"}),
    )

    def __init__(self, data: Any, organization: Organization) -> None:
        super().__init__(data)
        self.organization = organization
        everyone = Membership._base_manager.filter(organization=organization)
        self.members = {
            member.user_id: f"{member.user} (taken out)" if member.ended_at else str(member.user)
            for member in everyone.filter(user__erased_at=None)
            .select_related("user")
            .order_by("user__name", "user__email")
        }
        self._choices("who", "Everybody", self._people())
        self._choices(
            "what", "Everything", [(verb, in_words(verb)) for verb in verbs.used(organization.pk)]
        )

    def _choices(self, name: str, all_of_them: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (for the type)
        field.choices = [("", all_of_them), *choices]
        self.fields[name].widget.attrs["class"] = "input"

    def _people(self) -> list[tuple[str, str]]:
        people = [(str(pk), name) for pk, name in self.members.items()]
        return [*people, (ELSEWHERE, "Inbound Talent's staff"), (PORTAL, "The portal itself")]

    def entries(self) -> EntryQuerySet:
        """What fits, newest first; all of it where the form says nothing."""
        found = Entry.objects.filter(organization=self.organization).with_who()
        chosen = self.cleaned_data
        if chosen.get("who") == PORTAL:
            found = found.filter(by=None)
        elif chosen.get("who") == ELSEWHERE:
            theirs = Membership._base_manager.filter(organization=self.organization)
            found = found.exclude(by=None).exclude(by_id__in=theirs.values("user"))
        elif chosen.get("who"):
            found = found.filter(by_id=int(chosen["who"]))
        if chosen.get("what"):
            found = found.filter(verb=chosen["what"])
        if chosen.get("since"):
            found = found.filter(at__gte=_midnight(chosen["since"]))
        if chosen.get("until") and chosen["until"] < date.max:  # nothing comes after that day
            found = found.filter(at__lt=_midnight(chosen["until"] + timedelta(days=1)))
        return found.order_by("-id")


def in_words(verb: str) -> str:
    """A verb for people: "credential.entered" is "Credential entered"."""
    return _SAID.get(verb) or verb.replace(".", " ").replace("_", " ").capitalize()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
