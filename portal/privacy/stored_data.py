"""What is stored for one customer, for its admin: kinds of data, number of rows, retention."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from portal.accounts.models import Membership, Organization
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.core import links
from portal.decisions.models import Decision
from portal.decisions.retention import get_years
from portal.notifications.models import Notification
from portal.sync.models import Application, AtsUser, Candidate


@dataclass(frozen=True)
class StoredData:
    """`count` is the number of rows; `retention` is a sentence."""

    label: str
    content: str
    count: int
    retention: str
    settings_page: str = ""  # name of the page where it is changed


def list_stored_data(organization: Organization) -> list[StoredData]:
    return [*_list_synced_data(organization), *_list_portal_data(organization)]


def _list_synced_data(organization: Organization) -> list[StoredData]:
    filters = {"connection__organization": organization}
    days_after_deletion = (
        f"{settings.DELETED_RECORD_DAYS} days after they're deleted in Greenhouse."
    )
    return [
        StoredData(
            "Candidates",
            "Name, preferred name, current company and title, and whether they accept email",
            Candidate.objects.filter(**filters, erased_at=None, gone_at=None).count(),
            "Until Greenhouse deletes or anonymizes them, or you disconnect.",
        ),
        StoredData(
            "Applications",
            "Stage, status, source, answers and custom fields",
            Application.objects.filter(**filters).count(),
            f"Until you disconnect. Answers: {days_after_deletion}",
        ),
        StoredData(
            "Greenhouse users",
            "Name, email addresses and job permissions",
            AtsUser.objects.filter(**filters, gone_at=None).count(),
            days_after_deletion,
        ),
    ]


def _list_portal_data(organization: Organization) -> list[StoredData]:
    return [
        StoredData(
            "Members",
            "Name, email, password hash, devices, pins and saved views",
            Membership.objects.filter(organization=organization).count(),
            "Until you erase them below. Sessions end after 12 hours.",
        ),
        StoredData(
            "Recruiters' actions",
            "Who advanced, moved or rejected which application, with their notes",
            ApplicationAction.objects.filter(membership__organization=organization).count(),
            f"{settings.ACTION_DAYS} days.",
        ),
        StoredData(
            "Decision records",
            "Who decided what and why, and what was on screen; no names of candidates",
            Decision.objects.filter(organization=organization).count(),
            _describe_years(get_years(organization)),
            links.DECISION_RETENTION,
        ),
        StoredData(
            "Emails sent to members",
            "Recipient, subject and text",
            Notification.objects.filter(organization=organization).count(),
            f"{settings.NOTIFICATION_DAYS} days.",
        ),
        StoredData(
            "Activity log",
            "Who did what, when and from which IP address",
            Entry.objects.filter(organization=organization).count(),
            "Forever. Entries can't be deleted; erased people appear as “Former member”.",
        ),
    ]


def _describe_years(years: int) -> str:
    return f"{years} year{'s' if years > 1 else ''}."
