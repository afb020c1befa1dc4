"""Links that show a colleague without an account which permissions to grant in Greenhouse."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError
from integrations.ats.permissions import Permission, PermissionOrigin, ProbeOutcome
from portal.accounts.models import User
from portal.connections.client import open_provider
from portal.connections.models import CheckRun, Connection, Credential, FixLink
from portal.connections.permissions import check_runs
from portal.core import links, queue
from portal.core.secrets.link_tokens import generate_token, hash_token
from portal.core.secrets.secret_field import SecretUnreadable
from portal.core.tenancy.scope import all_organizations
from portal.notifications import notify

TEST_TASK = "portal.connections.tasks.retest_fix_link"
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
        raise LimitReached("Five links are open already. Revoke one first.")
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
        FixLink.objects.select_related("connection__organization", "created_by")
        .filter(digest=hash_token(token))
        .first()
    )


def mark_opened(link: FixLink) -> None:
    FixLink.objects.filter(pk=link.pk, opened_at=None).update(opened_at=timezone.now())


def revoke_link(link: FixLink) -> bool:
    """Revoke the link. Returns False if it had ended already."""
    pending = FixLink.objects.filter(pk=link.pk, completed_at=None, revoked_at=None)
    return bool(pending.update(revoked_at=timezone.now(), token=""))


def count_test(link: FixLink, *, is_automatic: bool = False) -> None:
    """Count one test; a conditional UPDATE enforces the limits. Raises LimitReached.

    An automatic test doesn't make the reader wait for their own.
    """
    now = timezone.now()
    testable = FixLink.objects.filter(pk=link.pk, test_count__lt=MAX_TESTS).filter(
        Q(last_tested_at=None) | Q(last_tested_at__lte=now - MIN_TEST_INTERVAL)
    )
    values = {} if is_automatic else {"last_tested_at": now}
    if testable.update(test_count=F("test_count") + 1, **values):
        return
    if FixLink.objects.filter(pk=link.pk, test_count__gte=MAX_TESTS).exists():
        raise LimitReached("This link has been tested too often. Ask for a new one.")
    raise LimitReached("This was just tested. Wait 10 seconds and try again.")


def request_automatic_test(link: FixLink) -> None:
    """Test an open page's permissions again; counted like any other test. Raises LimitReached."""
    count_test(link, is_automatic=True)
    queue.enqueue_task(TEST_TASK, link.pk, organization_id=link.connection.organization_id)


def run_automatic_test(link: FixLink) -> None:
    """Probe the link's permissions, and check them only if a result changed: an open page must not
    change what others see or fill the timeline.
    """
    credential = link.connection.credential
    if credential is None or not link.is_open or not _has_changed_result(credential, link):
        return
    run, is_new = check_runs.open_run(link.connection, by=None, only=link.permissions)
    if is_new:
        queue.enqueue_task(
            check_runs.CHECK_TASK, run.pk, organization_id=link.connection.organization_id
        )


def _has_changed_result(credential: Credential, link: FixLink) -> bool:
    last = credential.checks.filter(status=CheckRun.Status.DONE).first()
    outcomes = dict(last.results.values_list("permission", "outcome")) if last else {}
    try:
        provider = open_provider(credential, lane=Lane.PEOPLE)
        provider.verify_credential()
        return any(
            probe.outcome != outcomes.get(probe.permission)
            for probe in provider.probe_permissions(link.permissions)
        )
    except (AtsError, SecretUnreadable):
        return False  # the page tries again


def list_contacts(link: FixLink) -> list[User]:
    """Whom the reader of a link can ask: who created it, or the customer's admins."""
    admins = notify.list_admins(link.connection.organization)
    return [link.created_by] if link.created_by in admins else admins[:3]


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
