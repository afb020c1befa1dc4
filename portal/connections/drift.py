"""Noticing that Greenhouse permits something else than before, and saying so once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format

from integrations.ats.permissions import Origin, Outcome, Permission
from portal.accounts.models import Organization
from portal.connections import verify
from portal.connections.features import ESSENTIAL
from portal.connections.models import CheckRun, Connection, Credential
from portal.connections.remedies import remedy
from portal.core import queue
from portal.issues import book
from portal.issues.models import Issue
from portal.notices import tell

CHECK = "portal.onboarding.tasks.check"
EVERY = timedelta(hours=24)
AT_ONCE = 25  # checks begun by one round, so that no hour begins with all of them
NOT_AGAIN_WITHIN = timedelta(minutes=5)
State = Connection.State
_WATCHED = (State.ACTION_NEEDED, State.LIVE, State.DEGRADED)
Cause, Severity, Fixer = Issue.Cause, Issue.Severity, Issue.Fixer
ANOTHER_KIND = "another kind of credential is in use, which has no such permission"


def due() -> list[Connection]:
    """Connections whose last check began a day ago or earlier, so many at once.

    Each keeps the hour of its own last check, which spreads them over the day.
    """
    yesterday = timezone.now() - EVERY
    recent = CheckRun.objects.filter(queued_at__gt=yesterday).values("connection")
    return list(
        Connection.objects.filter(
            state__in=_WATCHED, credentials__state=Credential.State.IN_USE
        ).exclude(pk__in=recent)[:AT_ONCE]
    )


def look(connection: Connection) -> None:
    """Have it checked in the background; the connection's state stays while that runs."""
    run, new = verify.open_run(connection, by=None)
    if new:
        queue.enqueue(CHECK, run.pk)


def permission_refused(connection: Connection, permission: str = "") -> None:
    """Greenhouse refused something that the last check called granted: look again soon.

    Whoever meets a 403 calls this, as often as it happens: one check in five minutes follows, and
    none where `permission` is known to be missing.
    """
    if connection.state not in _WATCHED or connection.credential is None:
        return
    last = connection.last_check
    known = {"permission": permission, "outcome": Outcome.MISSING}
    if last is not None and last.results.filter(**known).exists():
        return
    lately = timezone.now() - NOT_AGAIN_WITHIN
    if not connection.checks.filter(queued_at__gt=lately).exists():
        look(connection)


def noted(check: CheckRun, *, was_live: bool) -> None:
    """A check of the credential in use has ended: open and close issues, tell what changed.

    `was_live`: whether people worked with this connection before. During the first set-up the
    admin is looking at the list, so nobody is told.
    """
    if check.status == CheckRun.Status.FAILED:
        _failed(check, was_live)
        return
    organization = check.connection.organization
    for cause in (Cause.BAD_CREDENTIAL, Cause.UNREADABLE_CREDENTIAL):
        book.solved(organization, cause, why="Greenhouse accepts the credential")
    _reader(check)
    lost = _missing(check)
    if was_live:
        _tell_changes(check, lost)


# -- the credential and its reader -------------------------------------------------------------
def _failed(check: CheckRun, was_live: bool) -> None:
    causes = {
        CheckRun.Cause.CREDENTIAL: (
            Cause.BAD_CREDENTIAL,
            "Greenhouse no longer accepts the credential",
        ),
        CheckRun.Cause.UNREADABLE: (
            Cause.UNREADABLE_CREDENTIAL,
            "The stored credential can no longer be opened",
        ),
    }
    if check.cause not in causes:
        return
    cause, title = causes[CheckRun.Cause(check.cause)]
    organization = check.connection.organization
    issue, new = book.seen(
        organization,
        cause,
        title=title,
        words=f"{check.failure} That is done in Set-up; nothing that was read is lost.",
        severity=Severity.MUST_ACT,
        fixer=Fixer.ADMIN,
        still_works="What was read stays visible. Nothing can be done on applications meanwhile.",
        facts={"check": check.pk},
    )
    if new and was_live:
        _tell(organization, f"issue:{issue.pk}", title, issue.words, "/set-up/credential/")


def _reader(check: CheckRun) -> None:
    organization = check.connection.organization
    if not check.results.filter(cause="NotSiteAdmin").exists():
        book.solved(organization, Cause.NO_SITE_ADMIN, why="the reader is a Site Admin")
        return
    book.seen(
        organization,
        Cause.NO_SITE_ADMIN,
        title="The Greenhouse user behind the credential is no Site Admin",
        words="Greenhouse shows its lists to Site Admins only, so nothing can be read. Make that "
        "user a Site Admin, or enter the credential again with the user ID of one.",
        severity=Severity.MUST_ACT,
        fixer=Fixer.GREENHOUSE_ADMIN,
        facts={"check": check.pk},
    )


# -- permissions --------------------------------------------------------------------------------
def _missing(check: CheckRun) -> list[Permission]:
    """Keep one open issue per missing tick box; gives the permissions that are missing.

    Where this check could not tell, what was known before stays.
    """
    credential, organization = check.credential, check.connection.organization
    outcomes = dict(check.results.values_list("permission", "outcome"))
    asked = credential.catalogue.for_kind(credential.kind)
    lost = [
        p for p in asked if outcomes.get(p.key) == Outcome.MISSING and p.origin != Origin.OPTIONAL
    ]
    unclear = {_box(credential, p) for p in asked if outcomes.get(p.key) == Outcome.UNCLEAR}
    boxes = {_box(credential, p): p for p in reversed(lost)}
    for box, permission in boxes.items():
        _open(check, box, permission)
    known = {_box(credential, p) for p in asked}
    for issue in Issue.objects.filter(
        organization=organization, cause=Cause.MISSING_PERMISSION, closed_at=None
    ).exclude(key__in=unclear | boxes.keys()):
        why = "the permission was granted" if issue.key in known else ANOTHER_KIND
        book.solved(organization, Cause.MISSING_PERMISSION, why=why, key=issue.key)
    return lost


def _box(credential: Credential, permission: Permission) -> str:
    """What tells one tick box from another: v3's scopes serve several permissions each."""
    return permission.scope if credential.by_scope else permission.key


def _open(check: CheckRun, box: str, permission: Permission) -> None:
    credential = check.credential
    label = credential.words_for(permission)
    off = credential.catalogue.features_off({permission.key}, credential.kind)
    costs = " ".join(feature.off for feature in off)
    blocks = bool(ESSENTIAL & {feature.key for feature in off})
    helps = remedy(credential, permission)
    since = _last_granted(check, permission.key)
    was = f" It was still granted on {since}." if since else ""
    book.seen(
        check.connection.organization,
        Cause.MISSING_PERMISSION,
        key=box,
        title=f"Greenhouse does not grant “{permission.group}: {label}”",
        words=f"{costs}{was} {helps.words} Then test again in Set-up.",
        severity=Severity.MUST_ACT if blocks else Severity.DEGRADED,
        fixer=helps.fixer,
        still_works="" if blocks else "Everything else works.",
        facts={"permission": permission.key, "last_granted": since},
    )


def _earlier(check: CheckRun) -> QuerySet[CheckRun]:
    """What was found before by this credential, or by the one that it has replaced just now."""
    ours = Q(credential=check.credential_id) | Q(credential__state=Credential.State.KEPT)
    return check.connection.checks.filter(ours, status=CheckRun.Status.DONE, pk__lt=check.pk)


def _last_granted(check: CheckRun, key: str) -> str:
    """The day on which it was last found granted, "" when it never was."""
    earlier = (
        _earlier(check)
        .filter(results__permission=key, results__outcome=Outcome.GRANTED)
        .values_list("finished_at", flat=True)
        .first()
    )
    return date_format(earlier, "j F Y, H:i") + " UTC" if earlier else ""


def _tell_changes(check: CheckRun, lost: Iterable[Permission]) -> None:
    """Tell what is granted or missing now and was not at the check before, all in one notice."""
    before = _earlier(check).first()
    if before is None:
        return
    old = set(before.results.filter(outcome=Outcome.MISSING).values_list("permission", flat=True))
    credential = check.credential
    asked = credential.catalogue.for_kind(credential.kind)
    now = {p.key for p in lost}
    granted = set(
        check.results.filter(outcome=Outcome.GRANTED).values_list("permission", flat=True)
    )
    gone = [p for p in asked if p.key in now - old]
    back = [p for p in asked if p.key in old & granted and p.origin != Origin.OPTIONAL]
    if not gone and not back:
        return
    lines = [
        *(f"No longer granted: {p.group}: {credential.words_for(p)}" for p in gone),
        *(f"Granted again: {p.group}: {credential.words_for(p)}" for p in back),
    ]
    organization = check.connection.organization
    _tell(
        organization,
        f"drift:{check.pk}",
        f"{organization}: Greenhouse permits something else than before",
        "\n".join(dict.fromkeys(lines)),
        "/set-up/permissions/",
    )


def _tell(organization: Organization, key: str, subject: str, words: str, path: str) -> None:
    """An organization's admins and customer success, each once."""
    told = {"key": key, "subject": subject, "words": words}
    tell.tell(tell.admins(organization), organization, path=path, **told)
    tell.tell(tell.success(), organization, path=tell.desk_of(organization), **told)
