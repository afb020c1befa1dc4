"""What people must fix. It opens and closes by itself; here it is read, taken, put aside."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from portal.accounts.models import User
from portal.audit.record import record
from portal.issues.message import THEIRS, asks_for_boxes, message
from portal.issues.models import Issue
from portal.support import deeds
from portal.support.admin.base import Kept, Urgent
from portal.support.pages import helping
from portal.support.roles import NAMING, meets_people

_WEIGHT = {Issue.Severity.MUST_ACT: 0, Issue.Severity.DEGRADED: 1, Issue.Severity.FYI: 2}
_OURS = {"assigned_to": "assigned to", "snoozed_until": "put aside", "note": "note"}
_TONES = {
    Issue.Severity.MUST_ACT: "bad",
    Issue.Severity.DEGRADED: "warn",
    Issue.Severity.FYI: "off",
}


class Standing(admin.SimpleListFilter):
    """Open ones first: the rest is history."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "Mine"), ("snoozed", "Put aside"), ("closed", "Closed"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            if choice["query_string"] == changelist.get_query_string(remove=["standing"]):
                choice["display"] = "Open"
            yield choice

    def queryset(self, request: HttpRequest, found: QuerySet[Issue]) -> QuerySet[Issue]:
        now = timezone.now()
        match self.value():
            case "all":
                return found
            case "closed":
                return found.exclude(closed_at=None)
            case "snoozed":
                return found.filter(closed_at=None, snoozed_until__gte=now)
            case "mine":
                return found.filter(closed_at=None, assigned_to=request.user.pk)
            case _:
                return found.filter(closed_at=None).exclude(snoozed_until__gte=now)


@admin.register(Issue)
class IssueAdmin(Kept):
    list_display = (
        "weight",
        "title",
        "customer",
        "who",
        "first_seen_at",
        "last_seen_at",
        "times",
        "assigned_to",
    )
    list_display_links = ("title",)
    urgency = ("order", "-last_seen_at", "-pk")
    list_filter = (Standing, "severity", "cause", "fixer")
    search_fields = ("title", "organization__name")
    list_select_related = ("organization", "assigned_to")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "customer",
                    "weight",
                    "what",
                    "still_works",
                    "who",
                    "runbook",
                )
            },
        ),
        ("To tell whoever can fix it", {"fields": ("to_send",)}),
        ("Ours", {"fields": ("assigned_to", "snoozed_until", "note")}),
        (
            "Seen",
            {"fields": ("times", "first_seen_at", "last_seen_at", "closed_at", "closed_why")},
        ),
    )
    readonly_fields = (
        "customer",
        "weight",
        "what",
        "still_works",
        "who",
        "to_send",
        "runbook",
        "times",
        "first_seen_at",
        "last_seen_at",
        "closed_at",
        "closed_why",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Issue]:
        whens = [When(severity=severity, then=Value(n)) for severity, n in _WEIGHT.items()]
        order = Case(*whens, default=Value(9), output_field=IntegerField())
        found: QuerySet[Issue] = super().get_queryset(request)
        known = found if meets_people(request) else found.exclude(cause__in=NAMING)
        return known.annotate(order=order)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Urgent]:
        return Urgent

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(helping.send)
        return [path("<int:issue_id>/send/", view, name="issues_issue_send"), *super().get_urls()]

    @admin.display(description="Severity", ordering="order")
    def weight(self, issue: Issue) -> str:
        tone = _TONES[Issue.Severity(issue.severity)]
        return format_html(
            '<span class="desk-pill desk-{}">{}</span>', tone, issue.get_severity_display()
        )

    @admin.display(ordering="organization__name")
    def customer(self, issue: Issue) -> str:
        url = reverse("admin:accounts_organization_desk", args=[issue.organization_id])
        return format_html('<a href="{}">{}</a>', url, issue.organization)

    @admin.display(description="What happened")
    def what(self, issue: Issue) -> str:
        return issue.words

    @admin.display(description="Who can fix it", ordering="fixer")
    def who(self, issue: Issue) -> str:
        return issue.get_fixer_display()

    @admin.display(description="What to do")
    def runbook(self, issue: Issue) -> str:
        url = f"{reverse('admin:runbook')}#{issue.cause}"
        return format_html('<a href="{}">Runbook: {}</a>', url, issue.get_cause_display())

    @admin.display(description="Message")
    def to_send(self, issue: Issue) -> str:
        if not issue.is_open or issue.fixer not in THEIRS:
            return "Nobody there has to do anything."
        boxes, told = asks_for_boxes(issue), message(issue)
        return format_html(
            '<pre class="desk-message" id="message-{}">{}\n\n{}</pre>'
            '<a class="button" href="{}">{}</a>',
            issue.pk,
            told.subject,
            issue.words if boxes else told.text,
            reverse("admin:issues_issue_send", args=[issue.pk]),
            "Send or copy it with a link" if boxes else "Send to their admins",
        )

    def get_fieldsets(self, request: HttpRequest, obj: Issue | None = None) -> Any:
        """The message is for who may send it."""
        may = request.user.has_perm(deeds.MAY)
        return [part for part in self.fieldsets if may or "to_send" not in part[1]["fields"]]

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "snoozed_until":
            field.label = "Put aside until"
            for part, name in zip(field.widget.widgets, ("date", "time"), strict=True):
                part.attrs["aria-label"] = f"{field.label}, {name}"
        if field and db_field.name == "assigned_to":
            field.widget.can_view_related = field.widget.can_add_related = False
            field.widget.can_change_related = False
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "assigned_to":
            kwargs["queryset"] = User.objects.filter(is_staff=True, is_active=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Issue, form: Any, change: bool) -> None:
        """Only what is ours is written, so that the portal may close it at the same moment."""
        mine = [name for name in _OURS if name in form.changed_data]
        if not mine:
            return
        obj.save(update_fields=mine)
        assert isinstance(request.user, User)  # noqa: S101  (for the type)
        record(
            "issue.handled",
            f"took care of “{obj.title}” ({', '.join(_OURS[name] for name in mine)})",
            organization=obj.organization,
            by=request.user,
            subject=obj,
            request=request,
        )
