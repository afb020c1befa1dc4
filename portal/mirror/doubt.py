"""Lists that lack most of what is here: doubted for a day before anything is called gone.

So much is rarely deleted at once. More often the credential's user lost rights in Greenhouse, which
then shows it less, or nothing. What would go with it (who may see what, names, notes) does not come
back with the rights, and a day late harms little: what is deleted record by record is told by web
hooks and read singly meanwhile. In an account that was truly emptied the readings agree for a day;
disconnecting empties at once.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from integrations.ats.errors import AtsError
from portal.connections.models import Connection
from portal.issues import book
from portal.issues.models import Issue
from portal.mirror.steps import Step

FEWEST = 10  # of fewer, an ordinary clean-up may take most, though not all
BELIEVED_AFTER = timedelta(hours=24)
AGREE_WITHIN = timedelta(hours=6)  # a list that fails is read each hour at least
CAUSE = Issue.Cause.MOST_MISSING


class MostMissing(AtsError):
    """A list was read to its end and lacks most of what is here. Nothing was let go of."""


def _words(definition: Step, missing: int, here: int) -> str:
    return (
        f"{definition.label}: Greenhouse's list was read to its end and lacks {missing} of the "
        f"{here} that are here. Nothing was removed here. The user behind the credential must be a "
        "Site Admin in Greenhouse. What is really gone goes here when the readings agree for a day."
    )


def look(connection: Connection, definition: Step, missing: int, *, here: int) -> None:
    """Before what a complete list lacked is called gone. Raises MostMissing where that is most of
    it, and readings have not agreed on it for a day; `tell` has to be called then.
    """
    which = {"organization": connection.organization, "cause": CAUSE, "key": definition.kind}
    if not _is_too_much(missing, here):
        why = "the list holds most of what is here"
    else:
        now = timezone.now()
        agreed = Issue.objects.filter(
            **which,
            closed_at=None,
            first_seen_at__lte=now - BELIEVED_AFTER,
            last_seen_at__gte=now - AGREE_WITHIN,
        )
        if not agreed.exists():
            raise MostMissing(_words(definition, missing, here))
        why = "the readings of a whole day agreed, so what was missing is gone here, too"
    book.solved(connection.organization, CAUSE, key=definition.kind, why=why)


def _is_too_much(missing: int, here: int) -> bool:
    """All of it, or more than half of what is more than a few."""
    return 0 < here <= missing or (here >= FEWEST and 2 * missing > here)


def tell(connection: Connection, definition: Step, error: MostMissing) -> None:
    """Open the issue, or note that another reading agrees with the one before, where that was not
    long ago: else the day begins anew.
    """
    lately = timezone.now() - AGREE_WITHIN
    ours = Issue.objects.filter(
        organization=connection.organization_id, cause=CAUSE, key=definition.kind, closed_at=None
    )
    if ours.filter(last_seen_at__lt=lately).exists():
        why = "it was not read for hours, so what it lacks is doubted anew"
        book.solved(connection.organization, CAUSE, key=definition.kind, why=why)
    book.seen(
        connection.organization,
        CAUSE,
        key=definition.kind,
        title=f"Greenhouse shows most of them no longer: {definition.label}",
        words=error.sentence,
        severity=Issue.Severity.MUST_ACT,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Everything read before can be looked at.",
        facts={"kind": definition.kind},
    )


def over(connection: Connection, definition: Step) -> None:
    """The list may not be read any more, so nothing is said by what it lacked."""
    if definition.doubted:
        why = "the list may not be read any more"
        book.solved(connection.organization, CAUSE, key=definition.kind, why=why)


def is_told(connection: Connection, failure: str) -> bool:
    """Whether this failure is such a list, of which somebody was told."""
    return Issue.objects.filter(
        organization=connection.organization_id,
        cause=CAUSE,
        closed_at=None,
        words__startswith=failure,
    ).exists()
