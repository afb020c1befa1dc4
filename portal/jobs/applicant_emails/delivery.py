"""Sends a digest; one with nothing to list is deleted unsent."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership
from portal.accounts.organization_links import add_organization
from portal.core import links
from portal.core.names.text import format_name
from portal.entitlements.candidate_labels import get_candidate_label
from portal.entitlements.rules import Rights, get_rights
from portal.jobs.applicant_emails.new_applicants import JobApplicants, find_new_applicants
from portal.jobs.applicant_emails.schedule import MESSAGES
from portal.jobs.applicant_emails.subscriptions import build_unsubscribe_token
from portal.jobs.models import ApplicantDigest
from portal.notifications import delivery
from portal.sync.models import Application

Status = ApplicantDigest.Status
# Anybody can apply under any name, and mail programs turn this into a link.
_LOOKS_LIKE_LINK = re.compile(r"://|www\.|\w\.[a-z]{2,}", re.IGNORECASE)


def send_digest(digest: ApplicantDigest) -> None:
    if digest.status != Status.QUEUED or digest.due_at > timezone.now():
        return
    members = Membership.objects.select_related("user", "organization")
    member = members.filter(pk=digest.membership_id, user__is_active=True).first()
    rights = get_rights(member) if member else None
    groups = find_new_applicants(digest, rights) if rights else []
    if rights is None or not groups:
        ApplicantDigest.objects.filter(pk=digest.pk, status=Status.QUEUED).delete()
        return
    MESSAGES.send_message(digest, lambda: _send_email(rights, groups))


def _send_email(rights: Rights, groups: list[JobApplicants]) -> None:
    member = rights.member
    off_url = _build_url(reverse("jobs:unsubscribe", args=[build_unsubscribe_token(member)]))
    body = render_to_string(
        "jobs/applicant_email.txt",
        {
            "person": member.user,
            "groups": [_describe_group(group, rights) for group in groups],
            "settings_url": _build_member_url(reverse("jobs:applicant_emails"), member),
            "off_url": off_url,
        },
    )
    headers = {
        "List-Unsubscribe": f"<{off_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    subject = f"{member.organization}: {describe_event(groups)}"
    delivery.send_email(subject, body, member.user.email, headers=headers)


def describe_event(groups: list[JobApplicants]) -> str:
    """ "3 new applicants for Account Executive", or for how many requisitions."""
    count = sum(group.count for group in groups)
    where = format_name(groups[0].job.name) if len(groups) == 1 else f"{len(groups)} requisitions"
    return f"{count:,} new applicant{'' if count == 1 else 's'} for {where}"


def _describe_group(group: JobApplicants, rights: Rights) -> dict[str, Any]:
    member = rights.member
    return {
        "title": describe_event([group]),
        "url": _build_member_url(reverse(links.JOB_PAGE, args=[group.job.pk]), member),
        "applicants": [
            {
                "label": _get_label(application, rights),
                "url": _build_member_url(
                    reverse(links.APPLICANT_PAGE, args=[application.pk]), member
                ),
            }
            for application in group.listed
        ],
        "unlisted_count": group.unlisted_count,
    }


def _get_label(application: Application, rights: Rights) -> str:
    label = get_candidate_label(application, rights)
    is_link = _LOOKS_LIKE_LINK.search(label)
    return f"Application {application.remote_id}" if is_link else label


def _build_member_url(path: str, member: Membership) -> str:
    return _build_url(add_organization(path, member.organization_id))


def _build_url(path: str) -> str:
    return f"{settings.PORTAL_URL}{path}"
