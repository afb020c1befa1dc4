"""The form that changes a pending rejection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Any

from django.utils import timezone

from portal.applications.actions.action_context import ActionContext
from portal.applications.forms.reject import LATER, RejectForm, list_delay_days
from portal.applications.models import ApplicationAction
from portal.applications.pending.plans import RejectionPlan, get_plan
from portal.sync.models import EmailTemplate

EMAIL_MISSING = "Select an email. To reject without one, cancel this and reject."


class PendingRejectionForm(RejectForm):
    """The rejection stays pending: its time may change, and its email, but not that it has one."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        action: ApplicationAction,
        action_context: ActionContext,
    ) -> None:
        self.action = action
        self.plan = get_plan(action)
        if data is not None:
            data = {**dict(data.items()), "mail_after": LATER}
        super().__init__(data, application=action.application, action_context=action_context)

    def populate_choices(self) -> None:
        super().populate_choices()
        self.fields["reason"].initial = self.action.reason_id
        self.fields["notes"].initial = self.action.notes
        if "template" not in self.fields:
            return
        for name in ("mail_after", "mail_at", "zone"):
            self.fields.pop(name, None)
        template: Any = self.fields["template"]
        template.required = True
        template.error_messages["required"] = EMAIL_MISSING
        template.empty_label = None
        template.initial = self._find_template_id(template.queryset)
        self._set_plan_choices()

    def _find_template_id(self, templates: Any) -> int | None:
        wanted = templates.filter(remote_id=self.action.parameters.get("template"))
        template: EmailTemplate | None = wanted.first()
        return template.pk if template is not None else None

    def _set_plan_choices(self) -> None:
        """Its day stays unless another is selected: days count from now."""
        days: Any = self.fields["delay_days"]
        if self._keeps_day and self.plan is not None:
            days.choices = [(0, f"As planned: {self.plan.day_text}"), *list_delay_days()]
            days.initial = 0
        elif self.plan is not None:
            days.initial = self.plan.days
        if self.plan is not None:
            self.fields["send_time"].initial = time.fromisoformat(self.plan.time)

    @property
    def _keeps_day(self) -> bool:
        return self.plan is not None and self.plan.send_at > timezone.now()

    def clean(self) -> dict[str, Any]:
        self.cleaned_data["mail_after"] = LATER
        data = super().clean()
        if not self.errors and self.build_plan().send_at <= timezone.now():
            self.add_error("send_time", "Enter a later time: this one has passed.")
        return data

    def build_plan(self, application: Any = None) -> RejectionPlan:
        if self.cleaned_data["delay_days"] == 0 and self.plan is not None:
            return self.plan.move_to_time(self.cleaned_data["send_time"])
        return super().build_plan(application)
