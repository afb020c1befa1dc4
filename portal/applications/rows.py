"""The rows of a requisition's page: each application with its buttons and its last action.

Worked out for a whole page at once, so that the number of queries does not grow with the rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Max

from portal.applications.models import ApplicationAction
from portal.applications.offers import Offer, is_last_stage, last_order, offers
from portal.entitlements.rules import Rights
from portal.mirror.models import Application, Job


@dataclass(frozen=True)
class Row:
    """One application as the page shows it. `key` makes a click on it happen once only."""

    application: Application
    offers: Sequence[Offer]
    last: ApplicationAction | None
    key: uuid.UUID
    named: bool

    @property
    def is_busy(self) -> bool:
        return self.last is not None and self.last.is_open


def rows(applications: Iterable[Application], job: Job, held: Rights) -> list[Row]:
    """The rows of these applications of one job."""
    listed = list(applications)
    newest = _newest_actions(listed)
    last = last_order(job.pk)
    return [
        Row(
            application=application,
            offers=offers(application, held, last_stage=is_last_stage(application, last)),
            last=newest.get(application.pk),
            key=uuid.uuid4(),
            named="candidates" not in held.features.off,
        )
        for application in listed
    ]


def _newest_actions(listed: Sequence[Application]) -> dict[int, ApplicationAction]:
    newest = (
        ApplicationAction.objects.filter(application__in=listed)
        .values("application")
        .annotate(newest=Max("pk"))
        .values("newest")
    )
    actions = ApplicationAction.objects.filter(pk__in=newest).select_related("membership__user")
    return {action.application_id: action for action in actions}
