"""The latest action on each application, for the member who looks at it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.models import Max, Q, QuerySet

from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction
from portal.sync.models import Application


def get_latest_action(application: Application, member: Membership) -> ApplicationAction | None:
    actions = _filter_relevant_actions([application.pk], member)
    return actions.select_related("membership__user", "undoes").order_by("-pk").first()


def get_latest_actions(
    applications: Sequence[Application], member: Membership
) -> dict[int, ApplicationAction]:
    """By application ID."""
    relevant_actions = _filter_relevant_actions([row.pk for row in applications], member)
    actions = ApplicationAction.objects.filter(
        pk__in=_get_latest_ids(relevant_actions).values()
    ).select_related("membership__user", "undoes")
    return {action.application_id: action for action in actions}


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
