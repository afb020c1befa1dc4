"""The latest action on each application, for the member who looks at it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.actions.application_state import is_unchanged_since
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application

_LONGEST_READ = timedelta(seconds=10)  # from reading an application to reading its actions


def get_latest_action(application: Application, member: Membership) -> ApplicationAction | None:
    actions = _filter_relevant_actions([application.pk], member)
    latest = actions.select_related("membership__user", "undoes").order_by("-pk").first()
    if latest is not None:
        _reread_if_outdated(application, latest)
    return latest


def get_latest_actions(
    applications: Sequence[Application], member: Membership
) -> dict[int, ApplicationAction]:
    """By application ID."""
    relevant_actions = _filter_relevant_actions([row.pk for row in applications], member)
    actions = ApplicationAction.objects.filter(
        pk__in=_get_latest_ids(relevant_actions).values()
    ).select_related("membership__user", "undoes")
    latest_actions = {action.application_id: action for action in actions}
    for application in applications:
        if (latest := latest_actions.get(application.pk)) is not None:
            _reread_if_outdated(application, latest)
    return latest_actions


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
    applications: Collection[int], member: Membership
) -> QuerySet[ApplicationAction]:
    """The member's own actions unless dismissed, and other people's open or completed ones. An
    open action is always the latest.
    """
    others_without_effect = ~Q(membership=member) & Q(
        status__in=ApplicationAction.INEFFECTIVE_STATUSES
    )
    return ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION, application__in=applications, dismissed_at=None
    ).exclude(others_without_effect)


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
    return _get_latest_ids(actions.exclude(status__in=ApplicationAction.INEFFECTIVE_STATUSES))


def _get_latest_ids(actions: QuerySet[ApplicationAction]) -> dict[int, int]:
    """By application ID."""
    return dict(actions.order_by().values_list("application").annotate(newest=Max("pk")))
