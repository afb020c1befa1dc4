"""Who gets emails about new applicants of what, and in which time zone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.core import signing
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.accounts.models import Membership, User
from portal.core.tenancy.scope import all_organizations
from portal.jobs.models import ApplicantSubscription, SavedView
from portal.notifications.models import Preference
from portal.sync.models import Job
from portal.web.time_zones import parse_time_zone

MAX_SUBSCRIPTIONS = 50
DAILY_AT = time(9)  # in the reader's time zone
INSTANT_INTERVAL = timedelta(minutes=5)
Frequency = ApplicantSubscription.Frequency
_UNSUBSCRIBE_SALT = "portal.jobs.unsubscribe"


class SubscriptionLimitReached(Exception):
    """The message names the limit and what to do."""


def find_subscription(member: Membership, subject: Job | SavedView) -> ApplicantSubscription | None:
    return _filter_by_subject(member, subject).first()


def set_frequency(member: Membership, subject: Job | SavedView, frequency: str) -> None:
    """Subscribe, change the frequency, or unsubscribe if it is empty. Raises
    SubscriptionLimitReached.
    """
    subscriptions = _filter_by_subject(member, subject)
    if not frequency:
        subscriptions.delete()
        return
    due_at = find_period_end(frequency, get_time_zone(member.user), after=timezone.now())
    if subscriptions.update(frequency=frequency, due_at=due_at):
        return
    if member.applicant_subscriptions.count() >= MAX_SUBSCRIPTIONS:
        raise SubscriptionLimitReached(
            f"You can get emails about {MAX_SUBSCRIPTIONS} requisitions and views. "
            "Turn one off first."
        )
    ApplicantSubscription.objects.get_or_create(
        membership=member,
        job=subject if isinstance(subject, Job) else None,
        view=subject if isinstance(subject, SavedView) else None,
        defaults={"frequency": frequency, "due_at": due_at},
    )


def _filter_by_subject(
    member: Membership, subject: Job | SavedView
) -> QuerySet[ApplicantSubscription]:
    is_job = isinstance(subject, Job)
    by_subject = Q(job=subject) if is_job else Q(view=subject)
    return ApplicantSubscription.objects.filter(by_subject, membership=member)


# -- periods -------------------------------------------------------------------------------------


def get_time_zone(user: User) -> str:
    preference = Preference.objects.filter(user=user).first()
    return preference.time_zone if preference else ""


def suggest_time_zone(user: User, name: str) -> None:
    """Take the browser's time zone, unless the user already has one."""
    if is_time_zone(name) and not get_time_zone(user):
        save_time_zone(user, name)


def is_time_zone(name: str) -> bool:
    return bool(name) and (name == "UTC" or parse_time_zone(name) is not UTC)


@all_organizations("the person's own subscriptions, of every organization")
def save_time_zone(user: User, name: str) -> None:
    Preference.objects.update_or_create(user=user, defaults={"time_zone": name})
    ApplicantSubscription.objects.filter(
        membership__user=user, frequency=Frequency.DAILY, due_at__gt=timezone.now()
    ).update(due_at=find_period_end(Frequency.DAILY, name, after=timezone.now()))


def find_period_end(frequency: str, zone_name: str, *, after: datetime) -> datetime:
    """The first end of a period later than `after`, in UTC."""
    if frequency == Frequency.INSTANT:
        seconds = INSTANT_INTERVAL.total_seconds()
        return datetime.fromtimestamp((after.timestamp() // seconds + 1) * seconds, UTC)
    zone = parse_time_zone(zone_name)
    today = after.astimezone(zone).date()
    ends = (
        datetime.combine(today + timedelta(days=days), DAILY_AT, tzinfo=zone).astimezone(UTC)
        for days in range(3)
    )
    return next(end for end in ends if end > after)


# -- links in emails -----------------------------------------------------------------------------


def build_unsubscribe_token(member: Membership) -> str:
    return signing.dumps(member.pk, salt=_UNSUBSCRIBE_SALT)


@all_organizations("the signed token names the membership")
def find_unsubscribing_member(token: str) -> Membership | None:
    try:
        member_id = signing.loads(token, salt=_UNSUBSCRIBE_SALT)
    except signing.BadSignature:
        return None
    return Membership.objects.select_related("organization").filter(pk=member_id).first()


def delete_subscriptions(member: Membership) -> None:
    ApplicantSubscription.objects.filter(membership=member).delete()
