"""Loads what a request is about: only what the member may see, else a 404."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from portal.accounts.access import MemberRequest
from portal.applications.actions.available_actions import AvailableActions, build_available_actions
from portal.applications.models import ApplicationAction
from portal.entitlements.rules import (
    Rights,
    get_rights,
    visible_application,
    visible_applications,
)
from portal.sync.models import Application, Job


def get_application_or_404(
    request: MemberRequest, pk: int, *, closed: bool = False
) -> tuple[Application, Rights]:
    """`closed`: also one on a closed job, to read."""
    member_rights = get_rights(request.membership)
    application = visible_application(
        request.membership, pk, member_rights=member_rights, closed=closed
    )
    if application is None:
        raise Http404
    return application, member_rights


def get_available_actions_or_404(request: MemberRequest, pk: int) -> AvailableActions:
    """The application, and what the member can do on it."""
    application, member_rights = get_application_or_404(request, pk)
    return build_available_actions(application, request.membership, member_rights)


def get_own_action_or_404(
    request: MemberRequest, pk: int
) -> tuple[ApplicationAction, AvailableActions]:
    """The member's own action, and what they can do on its application."""
    member_rights = get_rights(request.membership)
    own_actions = ApplicationAction.objects.filter(
        membership=request.membership,
        application__in=visible_applications(request.membership, member_rights=member_rights),
    )
    action = get_object_or_404(with_action_details(own_actions), pk=pk)
    return action, build_available_actions(action.application, request.membership, member_rights)


def with_action_details(actions: QuerySet[ApplicationAction]) -> QuerySet[ApplicationAction]:
    """What pages show of an action, and what acting on its application needs."""
    return actions.select_related(
        "application__candidate",
        "application__stage",
        "application__job",
        "application__connection",
        "application__source",
        "membership__user",
        "membership__organization",
        "reason",
    )


def get_job_or_404(application: Application) -> Job:
    if application.job is None:  # only prospects have none, and they are not visible
        raise Http404
    return application.job
