"""How long decisions are kept: as many years as the organization chose, from when each was
certain. The nightly cleanup calls this.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db.models import Max

from portal.accounts.models import Organization
from portal.decisions import chain
from portal.decisions.models import DEFAULT_YEARS, Decision, DecisionChain, RecordSettings


def get_years(organization: Organization) -> int:
    chosen = RecordSettings.objects.filter(organization=organization)
    return chosen.values_list("years", flat=True).first() or DEFAULT_YEARS


def set_years(organization: Organization, years: int) -> None:
    RecordSettings.objects.update_or_create(organization=organization, defaults={"years": years})


def find_last_expired(organization: Organization, years: int, now: datetime) -> int:
    """The number of the last decision that is older than so many years; 0: none. Those before it
    go with it, so that a chain never has a gap.
    """
    decisions = Decision.objects.filter(organization=organization)
    young = decisions.filter(settled_at__gte=subtract_years(now, years)).order_by("number")
    first_young = young.values_list("number", flat=True).first()
    expired = decisions if first_young is None else decisions.filter(number__lt=first_young)
    return expired.aggregate(last=Max("number"))["last"] or 0


def subtract_years(moment: datetime, years: int) -> datetime:
    year = moment.year - years
    try:
        return moment.replace(year=year)
    except ValueError:  # 29 February
        return moment.replace(year=year, day=28)


def delete_expired(now: datetime, *, batch_size: int, after_batch: Callable[[], None]) -> int:
    """Of all organizations in scope. Returns the number of deleted decisions."""
    deleted_count = 0
    for ends in DecisionChain.objects.select_related("organization"):
        organization = ends.organization
        last = find_last_expired(organization, get_years(organization), now)
        if last:
            deleted_count += chain.delete_up_to(
                organization, last, batch_size=batch_size, after_batch=after_batch
            )
    return deleted_count
