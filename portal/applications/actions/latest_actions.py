"""The latest action on each application, for the member who looks at it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.actions.application_state import is_unchanged_since
from portal.applications.models import ActionKind, ApplicationAction
from portal.core.database.compiled_queries import compile_once
from portal.sync.models import Application

Status = ApplicationAction.Status
_LONGEST_READ = timedelta(seconds=10)  # from reading an application to reading its actions


def get_latest_action(application: Application, member: Membership) -> ApplicationAction | None:
    latest = next(iter(_find_latest_action(application.pk, member.pk)), None)
    if latest is not None:
        _reread_if_outdated(application, latest)
    return latest


@compile_once
def _find_latest_action(application_id: int, member_id: int) -> QuerySet[ApplicationAction]:
    actions = _filter_relevant_actions([application_id], member_id)
    return actions.select_related("membership__user", "undoes").order_by("-pk")[:1]


@dataclass(frozen=True)
class ShownActions:
    """By application ID: the latest, and rejections that wait for their day."""

    latest: dict[int, ApplicationAction]
    pending: dict[int, ApplicationAction]


def get_shown_actions(applications: Sequence[Application], member: Membership) -> ShownActions:
    actions = ShownActions({}, {})
    for action in _find_shown_actions(tuple(row.pk for row in applications), member.pk):
        by_application = actions.pending if action.is_pending else actions.latest
        by_application[action.application_id] = action
    for application in applications:
        if application.pk in actions.latest:
            _reread_if_outdated(application, actions.latest[application.pk])
    return actions


@compile_once
def _find_shown_actions(
    application_ids: tuple[int, ...], member_id: int
) -> QuerySet[ApplicationAction]:
    latest = _group_latest(_filter_relevant_actions(application_ids, member_id)).values("newest")
    shown_actions = ApplicationAction.objects.filter(
        Q(pk__in=latest) | Q(status=Status.PENDING), application__in=application_ids
    )
    return shown_actions.select_related("membership__user", "undoes")


def get_pending_rejection(application: Application) -> ApplicationAction | None:
    pending = ApplicationAction.objects.filter(application=application, status=Status.PENDING)
    return pending.select_related("membership__user").first()


def _reread_if_outdated(application: Application, latest: ApplicationAction) -> None:
    """Reread an application that was read just before the action settled, which changes both.

    The page would say that it is done, offer no Undo, and not ask again.
    """
    if latest.status != ApplicationAction.Status.DONE or latest.settled_at is None:
        return
    is_recent = timezone.now() - latest.settled_at < _LONGEST_READ
    may_differ = latest.kind == ActionKind.UPDATE
    if is_recent and (may_differ or not is_unchanged_since(latest.state_after, application)):
        application.refresh_from_db()


def _filter_relevant_actions(
    applications: Collection[int], member_id: int
) -> QuerySet[ApplicationAction]:
    """The member's own actions unless dismissed, and other people's open or completed ones. An
    open action is always the latest. A pending rejection is shown beside them.
    """
    others_without_effect = ~Q(membership=member_id) & Q(
        status__in=ApplicationAction.INEFFECTIVE_STATUSES
    )
    return ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION, application__in=applications, dismissed_at=None
    ).exclude(others_without_effect | Q(status=ApplicationAction.Status.PENDING))


def get_own_latest_action(member: Membership, application_pk: int) -> ApplicationAction | None:
    """The member's own latest action, visible application or not; None if dismissed."""
    own_actions = ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION, membership=member, application=application_pk
    )
    latest = own_actions.order_by("-pk").first()
    return latest if latest is not None and not latest.dismissed_at else None


def get_latest_effective_action_ids(applications: Sequence[int]) -> dict[int, int]:
    """The latest action ID per application that had, or may have had, an effect."""
    actions = ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION, application__in=applications
    )
    without_effect = (*ApplicationAction.INEFFECTIVE_STATUSES, ApplicationAction.Status.PENDING)
    latest = _group_latest(actions.exclude(status__in=without_effect))
    return dict(latest.values_list("application", "newest"))


def _group_latest(actions: QuerySet[ApplicationAction]) -> QuerySet[Any, Any]:
    """The newest of each application."""
    return actions.order_by().values("application").annotate(newest=Max("pk"))
