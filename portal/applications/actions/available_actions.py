"""Which actions a person can take on an application. Pages and requests use the same functions, so
what is shown is what is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.accounts.models import Membership
from portal.applications.actions.acting_user import AS_SERVICE_ACCOUNT, get_acting_user
from portal.applications.actions.handlers import ACTION_HANDLERS, ActionContext, ActionHandler
from portal.applications.actions.refusals import get_learned_refusals, get_role_id
from portal.applications.models import LearnedRefusal
from portal.entitlements.rules import Rights
from portal.sync.models import Application, Stage


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


def build_action_context(member: Membership, job_id: int | None, rights: Rights) -> ActionContext:
    job_id = job_id or 0
    stages = Stage.objects.filter(job_id=job_id, active=True, gone_at=None)
    role = get_role_id(job_id, rights)
    return ActionContext(
        member=member,
        job_id=job_id,
        rights=rights,
        role=role,
        stages=tuple(stages.order_by("order", "id")),
        refusals=get_learned_refusals(rights.match.connection, role),
        acting_user=get_acting_user(member, rights.match.connection),
    )


def list_action_options(
    application: Application, action_context: ActionContext
) -> list[ActionOption]:
    """The actions that fit the application's status, in button order."""
    return [
        get_action_option(application, action_context, handler.kind)
        for handler in ACTION_HANDLERS.values()
        if handler.is_applicable(application)
    ]


def get_action_option(
    application: Application, action_context: ActionContext, kind: str
) -> ActionOption:
    """The option for this kind, whether or not its button is shown."""
    handler = ACTION_HANDLERS[kind]
    if unavailable := action_context.rights.why_unavailable(handler.feature):
        return ActionOption(handler, unavailable, fixable_in_setup=action_context.member.is_admin)
    if why_not := action_context.acting_user.why_not:
        return ActionOption(handler, why_not, needs_consent=True)
    if application.prospect:
        return ActionOption(handler, "Prospects are not moved from here.")
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
