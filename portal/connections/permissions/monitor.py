"""Daily permission checks: opens issues, and notifies once when permissions change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from integrations.ats.permissions import Permission, PermissionOrigin, ProbeOutcome
from portal.accounts.models import Organization
from portal.connections.models import CheckRun, Connection, Credential
from portal.connections.permissions import check_runs
from portal.connections.permissions.features import ESSENTIAL_FEATURES
from portal.connections.permissions.fixes import get_permission_fix
from portal.core import links, queue
from portal.issues import service
from portal.issues.models import Issue
from portal.notifications import notify

CHECK_INTERVAL = timedelta(hours=24)
BATCH_SIZE = 25  # checks per round, to spread the load
RECHECK_COOLDOWN = timedelta(minutes=5)
State = Connection.State
_MONITORED_STATES = Connection.LIVE_STATES | {State.ACTION_NEEDED}
Cause, Severity, Fixer = Issue.Cause, Issue.Severity, Issue.Fixer
_CREDENTIAL_KIND_CHANGED = "the new type of credential has no such permission"


def list_due_connections() -> list[Connection]:
    """Each connection keeps its own hour, which spreads the checks over the day."""
    yesterday = timezone.now() - CHECK_INTERVAL
    recent = CheckRun.objects.filter(connection=OuterRef("pk"), queued_at__gt=yesterday)
    return list(
        Connection.objects.filter(
            ~Exists(recent),
            state__in=_MONITORED_STATES,
            credentials__state=Credential.State.IN_USE,
        )[:BATCH_SIZE]
    )


def request_check(connection: Connection) -> None:
    run, is_new = check_runs.open_run(connection, by=None)
    if is_new:
        queue.enqueue_task(
            check_runs.CHECK_TASK, run.pk, organization_id=connection.organization_id
        )


def recheck_after_refusal(connection: Connection, permission: str = "") -> None:
    """Call this on every 403: it starts at most one check in five minutes."""
    if connection.state not in _MONITORED_STATES or connection.credential is None:
        return
    last = connection.last_check
    missing_result = {"permission": permission, "outcome": ProbeOutcome.MISSING}
    if last is not None and last.results.filter(**missing_result).exists():
        return
    cutoff = timezone.now() - RECHECK_COOLDOWN
    if not connection.checks.filter(queued_at__gt=cutoff).exists():
        request_check(connection)


def record_check_result(check: CheckRun, *, was_live: bool) -> None:
    """Nobody is notified unless `was_live`: during the first setup the admin is watching."""
    if check.status == CheckRun.Status.FAILED:
        _report_failed_check(check, was_live)
        return
    organization = check.connection.organization
    for cause in (Cause.BAD_CREDENTIAL, Cause.UNREADABLE_CREDENTIAL):
        service.resolve_issues(organization, cause, why="Greenhouse accepts the credential")
    _update_site_admin_issue(check)
    missing = _update_missing_permission_issues(check)
    if was_live:
        _notify_changes(check, missing)


# -- the credential and its reader -------------------------------------------------------------
def _report_failed_check(check: CheckRun, was_live: bool) -> None:
    causes = {
        CheckRun.Cause.CREDENTIAL: (
            Cause.BAD_CREDENTIAL,
            "Greenhouse no longer accepts the credential",
        ),
        CheckRun.Cause.UNREADABLE: (
            Cause.UNREADABLE_CREDENTIAL,
            "The stored credential can't be read",
        ),
    }
    if check.cause not in causes:
        return
    cause, title = causes[CheckRun.Cause(check.cause)]
    organization = check.connection.organization
    issue, is_new = service.open_issue(
        organization,
        cause,
        title=title,
        description=f"{check.failure} Do this in Setup. No synced data is lost.",
        severity=Severity.CRITICAL,
        fixer=Fixer.ADMIN,
        still_works="Synced data stays visible. Actions on applications are off until then.",
        details={"check": check.pk},
    )
    if is_new and was_live:
        key, path = f"issue:{issue.pk}", reverse(links.SETUP_CREDENTIAL)
        _notify_admins(organization, key, title, issue.description, path)


def _update_site_admin_issue(check: CheckRun) -> None:
    organization = check.connection.organization
    if not check.results.filter(cause="NotSiteAdmin").exists():
        service.resolve_issues(
            organization, Cause.NO_SITE_ADMIN, why="the credential's user is a Site Admin"
        )
        return
    service.open_issue(
        organization,
        Cause.NO_SITE_ADMIN,
        title="The credential's Greenhouse user isn't a Site Admin",
        description="Greenhouse shows its lists only to Site Admins, so nothing can be synced. "
        "Make that user a Site Admin, or enter the credential again with a Site Admin's user ID.",
        severity=Severity.CRITICAL,
        fixer=Fixer.GREENHOUSE_ADMIN,
        details={"check": check.pk},
    )


# -- permissions --------------------------------------------------------------------------------
def _update_missing_permission_issues(check: CheckRun) -> list[Permission]:
    credential, organization = check.credential, check.connection.organization
    outcomes = dict(check.results.values_list("permission", "outcome"))
    permissions = credential.catalogue.list_permissions(credential.kind)
    missing = [
        p
        for p in permissions
        if outcomes.get(p.key) == ProbeOutcome.MISSING and p.origin != PermissionOrigin.OPTIONAL
    ]
    unclear = {
        _get_checkbox_key(credential, p)
        for p in permissions
        if outcomes.get(p.key) == ProbeOutcome.UNCLEAR
    }
    permissions_by_key = {_get_checkbox_key(credential, p): p for p in reversed(missing)}
    for checkbox_key, permission in permissions_by_key.items():
        _open_missing_permission_issue(check, checkbox_key, permission)
    checkbox_keys = {_get_checkbox_key(credential, p) for p in permissions}
    # An unclear result leaves its issue as it was.
    for issue in Issue.objects.filter(
        organization=organization, cause=Cause.MISSING_PERMISSION, closed_at=None
    ).exclude(key__in=unclear | permissions_by_key.keys()):
        why = (
            "the permission was granted" if issue.key in checkbox_keys else _CREDENTIAL_KIND_CHANGED
        )
        service.resolve_issues(organization, Cause.MISSING_PERMISSION, why=why, key=issue.key)
    return missing


def _get_checkbox_key(credential: Credential, permission: Permission) -> str:
    """A scope of v3 covers several permissions."""
    return permission.scope if credential.by_scope else permission.key


def _open_missing_permission_issue(
    check: CheckRun, checkbox_key: str, permission: Permission
) -> None:
    credential = check.credential
    [checkbox] = credential.list_checkboxes([permission])
    disabled_features = credential.catalogue.get_disabled_features(
        {permission.key}, credential.kind
    )
    costs = " ".join(feature.without_it for feature in disabled_features)
    blocks = bool(ESSENTIAL_FEATURES & {feature.key for feature in disabled_features})
    fix = get_permission_fix(credential, permission)
    since = _get_last_granted_date(check, permission.key)
    history_text = f" It was last granted on {since}." if since else ""
    service.open_issue(
        check.connection.organization,
        Cause.MISSING_PERMISSION,
        key=checkbox_key,
        title=f"Greenhouse permission missing: {checkbox}",
        description=f"{costs}{history_text} {fix.text} Then select Test again in Setup.",
        severity=Severity.CRITICAL if blocks else Severity.WARNING,
        fixer=fix.fixer,
        details={"permission": permission.key, "last_granted": since},
    )


def _list_earlier_runs(check: CheckRun) -> QuerySet[CheckRun]:
    """Runs of this credential, or of the one it has just replaced."""
    same_credential = Q(credential=check.credential_id) | Q(
        credential__state=Credential.State.PREVIOUS
    )
    return check.connection.checks.filter(
        same_credential, status=CheckRun.Status.DONE, pk__lt=check.pk
    )


def _get_last_granted_date(check: CheckRun, key: str) -> str:
    earlier = (
        _list_earlier_runs(check)
        .filter(results__permission=key, results__outcome=ProbeOutcome.GRANTED)
        .values_list("finished_at", flat=True)
        .first()
    )
    return date_format(earlier, "j F Y, H:i") + " UTC" if earlier else ""


def _notify_changes(check: CheckRun, missing: Iterable[Permission]) -> None:
    previous_run = _list_earlier_runs(check).first()
    if previous_run is None:
        return
    missing_before = set(
        previous_run.results.filter(outcome=ProbeOutcome.MISSING).values_list(
            "permission", flat=True
        )
    )
    credential = check.credential
    permissions = credential.catalogue.list_permissions(credential.kind)
    missing_now = {p.key for p in missing}
    granted = set(
        check.results.filter(outcome=ProbeOutcome.GRANTED).values_list("permission", flat=True)
    )
    revoked = [p for p in permissions if p.key in missing_now - missing_before]
    regranted = [
        p
        for p in permissions
        if p.key in missing_before & granted and p.origin != PermissionOrigin.OPTIONAL
    ]
    if not revoked and not regranted:
        return
    changes = [
        *(f"No longer granted: {checkbox}" for checkbox in credential.list_checkboxes(revoked)),
        *(f"Granted again: {checkbox}" for checkbox in credential.list_checkboxes(regranted)),
    ]
    _notify_admins(
        check.connection.organization,
        f"drift:{check.pk}",
        _describe_change_count(len(changes)),
        "\n".join(changes),
        reverse(links.SETUP_PERMISSIONS),
    )


def _describe_change_count(count: int) -> str:
    return f"{count} Greenhouse permission{'' if count == 1 else 's'} changed"


def _notify_admins(
    organization: Organization, key: str, subject: str, body: str, path: str
) -> None:
    notify.notify_users(
        notify.list_admins(organization),
        organization,
        key=key,
        subject=subject,
        body=body,
        path=path,
    )
