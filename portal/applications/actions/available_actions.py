"""Which actions a person can take on an application. Pages and requests use the same functions, so
what is shown is what is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from portal.accounts.models import Membership
from portal.applications.actions.acting_user import AS_SERVICE_ACCOUNT
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.handlers import ACTION_HANDLERS, ActionHandler
from portal.applications.models import LearnedRefusal
from portal.entitlements.rules import Rights
from portal.sync.models import Application


@dataclass(frozen=True)
class ActionOption:
    handler: ActionHandler
    why_not: str = ""
    fixable_in_setup: bool = False
    wrong_state: bool = False
    learned: LearnedRefusal | None = None
    needs_consent: bool = False  # the reader must give consent in Greenhouse first
    as_service_account: bool = False

    @property
    def allowed(self) -> bool:
        return not self.why_not

    @property
    def kind(self) -> str:
        return self.handler.kind

    @property
    def label(self) -> str:
        if self.as_service_account:
            return f"{self.handler.label} {AS_SERVICE_ACCOUNT}"
        return self.handler.label

    @property
    def url_name(self) -> str:
        return f"applications:{self.kind}"

    @property
    def icon(self) -> str:
        return self.handler.icon


@dataclass(frozen=True)
class AvailableActions:
    """What a member can do on one application; each kind is worked out once."""

    application: Application
    context: ActionContext
    _options: dict[str, ActionOption] = field(default_factory=dict, init=False, repr=False)

    def get_option(self, kind: str) -> ActionOption:
        """The option for this kind, whether or not its button is shown."""
        if kind not in self._options:
            self._options[kind] = get_action_option(self.application, self.context, kind)
        return self._options[kind]

    def list_kinds(self) -> list[str]:
        """The decisions that fit the application's status, in button order."""
        return [
            handler.kind
            for handler in ACTION_HANDLERS.values()
            if handler.changes_application and handler.is_applicable(self.application)
        ]


def build_available_actions(
    application: Application, member: Membership, rights: Rights
) -> AvailableActions:
    job_id = application.job_id or 0  # only prospects have none
    return AvailableActions(application, ActionContext(member, job_id, rights))


def get_action_option(
    application: Application, action_context: ActionContext, kind: str
) -> ActionOption:
    handler = ACTION_HANDLERS[kind]
    if not action_context.is_job_open:
        return ActionOption(handler, "This requisition is closed.", wrong_state=True)
    if unavailable := action_context.rights.why_unavailable(handler.feature):
        return ActionOption(handler, unavailable, fixable_in_setup=action_context.member.is_admin)
    if why_not := action_context.acting_user.why_not:
        return ActionOption(handler, why_not, needs_consent=True)
    if application.prospect:
        return ActionOption(handler, "Prospects can't be changed here.")
    if not handler.is_applicable(application):
        message = f"This application is {application.status} in Greenhouse."
        return ActionOption(handler, message, wrong_state=True)
    if message := handler.why_wrong_stage(application, action_context):
        return ActionOption(handler, message, wrong_state=True)
    if why_not := handler.why_not(application, action_context):
        return ActionOption(handler, why_not)
    return ActionOption(
        handler,
        learned=action_context.refusals.get(kind),
        as_service_account=action_context.acting_user.uses_service_account,
    )
