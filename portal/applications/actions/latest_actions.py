"""The latest action on each application."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.models import Max

from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction
from portal.sync.models import Application


def get_latest_action(application: Application) -> ApplicationAction | None:
    actions = application.actions.select_related("membership__user")
    latest: ApplicationAction | None = actions.order_by("-pk").first()
    return latest


def get_latest_actions(applications: Sequence[Application]) -> dict[int, ApplicationAction]:
    """By application ID."""
    latest_ids = get_latest_action_ids([application.pk for application in applications])
    actions = ApplicationAction.objects.filter(pk__in=latest_ids.values()).select_related(
        "membership__user"
    )
    return {action.application_id: action for action in actions}


def get_own_latest_action(member: Membership, application_pk: int) -> ApplicationAction | None:
    """The member's own latest action, visible application or not; None if dismissed."""
    own_actions = ApplicationAction.objects.filter(membership=member, application=application_pk)
    latest = own_actions.order_by("-pk").first()
    return latest if latest is not None and not latest.dismissed_at else None


def get_latest_effective_action_ids(applications: Sequence[int]) -> dict[int, int]:
    """The latest action ID per application that had, or may have had, an effect."""
    return get_latest_action_ids(
        applications, excluded_statuses=ApplicationAction.INEFFECTIVE_STATUSES
    )


def get_latest_action_ids(
    applications: Sequence[int], *, excluded_statuses: Collection[str] = ()
) -> dict[int, int]:
    rows = ApplicationAction.objects.filter(application__in=applications).order_by()
    rows = rows.exclude(status__in=excluded_statuses)
    latest_ids = rows.values_list("application").annotate(newest=Max("pk"))
    return dict(latest_ids)
