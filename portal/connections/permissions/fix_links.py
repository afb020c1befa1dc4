"""Links that show a colleague without an account which permissions to grant in Greenhouse."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from integrations.ats.permissions import Permission, PermissionOrigin, ProbeOutcome
from portal.accounts.models import User
from portal.connections.models import CheckRun, Connection, Credential, FixLink
from portal.core import links, queue
from portal.core.secrets.link_tokens import generate_token, hash_token
from portal.core.tenancy.scope import all_organizations
from portal.notifications import notify

SEND_EMAIL_TASK = "portal.connections.tasks.send_fix_link_email"
LINK_LIFETIME = timedelta(days=7)
MAX_TESTS = 120
MIN_TEST_INTERVAL = timedelta(seconds=10)
MAX_OPEN_LINKS = 5


class LimitReached(Exception):
    """Too soon or too often; `sentence` says what to do."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


def list_permissions_to_request(credential: Credential) -> list[Permission]:
    """Permissions missing in the newest finished check; optional ones only if no others are."""
    check = credential.checks.filter(status=CheckRun.Status.DONE).first()
    if check is None:
        return []
    missing_keys = set(
        check.results.filter(outcome=ProbeOutcome.MISSING).values_list("permission", flat=True)
    )
    missing = [
        p for p in credential.catalogue.list_permissions(credential.kind) if p.key in missing_keys
    ]
    return [p for p in missing if p.origin != PermissionOrigin.OPTIONAL] or missing


def create_link(
    connection: Connection, keys: Collection[str], *, by: User, send_to: str = ""
) -> tuple[FixLink, str]:
    """Return the link and its token, which cannot be read again. Raises LimitReached."""
    if list_open_links(connection).count() >= MAX_OPEN_LINKS:
        raise LimitReached("There are five open links already. Take one back first.")
    token = generate_token()
    with transaction.atomic():
        link = FixLink.objects.create(
            connection=connection,
            digest=hash_token(token),
            permissions=sorted(keys),
            created_by=by,
            expires_at=timezone.now() + LINK_LIFETIME,
            sent_to=send_to,
            token=token if send_to else "",
            email_status=FixLink.EmailStatus.QUEUED if send_to else FixLink.EmailStatus.NONE,
        )
        if send_to:
            queue.enqueue_task(SEND_EMAIL_TASK, link.pk, organization_id=connection.organization_id)
    return link, token


def list_open_links(connection: Connection):  # type: ignore[no-untyped-def]  # a queryset
    return connection.fix_links.filter(
        completed_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )


@all_organizations("the link names the organization")
def find_link(token: str) -> FixLink | None:
    return (
        FixLink.objects.select_related("connection__organization")
        .filter(digest=hash_token(token))
        .first()
    )


def mark_opened(link: FixLink) -> None:
    FixLink.objects.filter(pk=link.pk, opened_at=None).update(opened_at=timezone.now())


def revoke_link(link: FixLink) -> bool:
    """Revoke the link. Returns False if it had ended already."""
    pending = FixLink.objects.filter(pk=link.pk, completed_at=None, revoked_at=None)
    return bool(pending.update(revoked_at=timezone.now(), token=""))


def count_test(link: FixLink) -> None:
    """Count one test; a conditional UPDATE enforces the limits. Raises LimitReached."""
    now = timezone.now()
    testable = FixLink.objects.filter(pk=link.pk, test_count__lt=MAX_TESTS).filter(
        Q(last_tested_at=None) | Q(last_tested_at__lte=now - MIN_TEST_INTERVAL)
    )
    if testable.update(test_count=F("test_count") + 1, last_tested_at=now):
        return
    if FixLink.objects.filter(pk=link.pk, test_count__gte=MAX_TESTS).exists():
        raise LimitReached("This link was tested very often. Ask for a new one, please.")
    raise LimitReached("It was tested just now. Please wait ten seconds.")


def end_resolved_fix_links(check: CheckRun) -> None:
    """End links whose permissions are all granted, and notify admins and the link's sender."""
    outcomes = dict(check.results.values_list("permission", "outcome"))
    for link in list_open_links(check.connection):
        link_outcomes = [outcomes[key] for key in link.permissions if key in outcomes]
        if link_outcomes and all(outcome == ProbeOutcome.GRANTED for outcome in link_outcomes):
            _close_link(link)


def _close_link(link: FixLink) -> None:
    pending = FixLink.objects.filter(pk=link.pk, completed_at=None, revoked_at=None)
    if not pending.update(completed_at=timezone.now(), token=""):
        return
    organization = link.connection.organization
    message = {
        "key": f"fix-link:{link.pk}",
        "subject": "Requested Greenhouse permissions granted",
        "body": "All requested permissions are now granted. The link is closed.",
    }
    path = reverse(links.SETUP_PERMISSIONS)
    notify.notify_users(notify.list_admins(organization), organization, path=path, **message)
    if link.created_by is not None and link.created_by.is_staff:
        staff_url = notify.get_staff_url(organization)
        notify.notify_users([link.created_by], organization, path=staff_url, **message)
