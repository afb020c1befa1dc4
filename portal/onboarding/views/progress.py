"""The first sync with its progress, and what is on when it is live."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from integrations.ats.permissions import Feature
from portal.accounts.access import MemberRequest, admin_only
from portal.audit.noted import noted
from portal.connections import rotate
from portal.connections.features import NOT_YET, Features, features
from portal.connections.models import Connection, Credential
from portal.connections.standing import connection_of
from portal.core.htmx import page_or_part
from portal.issues.open import open_issues
from portal.mirror import history, plan
from portal.mirror.models import SyncRun, SyncStep
from portal.mirror.steps import LABELS, STEPS
from portal.onboarding import journey


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def first_sync(request: MemberRequest) -> HttpResponse:
    """The newest sync with its progress. POST asks for one, or joins one that is open."""
    connection = connection_of(request.membership.organization_id)
    now = journey.current(connection)
    if now in journey.BEFORE_PEOPLE:
        return redirect(f"onboarding:{now}")
    paused = connection.state == Connection.State.PAUSED
    if paused and now == "live":
        messages.info(request, "The connection is paused, so nothing is read.")
        return redirect("onboarding:live")
    if connection.emptying:
        messages.info(request, "What was read before is still being deleted.")
        return redirect("onboarding:permissions")
    if request.method == "POST" and not paused:
        journey.request_sync(connection, by=request.membership.user)
        noted(request, "sync.asked", "asked for a sync", subject=connection)
        return redirect("onboarding:sync")
    run = _shown(connection)
    every = list(run.steps.order_by("id")) if run else []
    steps = [step for step in every if not step.because]
    left_out = history.left_out(every)
    number = sum(step.status in _ENDED for step in steps)
    context = {
        "steps": journey.path(connection, here="sync"),
        "run": run,
        "paused": paused,
        "lines": [(LABELS.get(step.kind, step.kind), step) for step in steps],
        "ended": number,
        "number": len(steps),
        "words": f"{number} of {len(steps)}",
        "left": _left(run, steps),
        "left_out": left_out,
        "whole": "What is switched on has been read" if left_out else "Everything has been read",
    }
    return page_or_part(request, "onboarding/sync.html", "progress", context)


def _shown(connection: Connection) -> SyncRun | None:
    """The sync that was asked for: one of what changed, where that was joined."""
    runs = connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE)
    joined = runs.filter(status__in=SyncRun.OPEN).first()
    return joined or runs.filter(scope=SyncRun.Scope.FULL).first()


def _left(run: SyncRun | None, steps: list[SyncStep]) -> str:
    """The time left at the pace so far, which the rate budget sets; "" while nothing tells it.

    Greenhouse does not say how many records there are: the last complete sync does.
    """
    if run is None or run.started_at is None or not run.is_open:
        return ""
    waiting = [step for step in steps if step.status not in _ENDED]
    read = sum(step.seen for step in steps)
    if not waiting or not read or any(step.expected is None for step in waiting):
        return ""
    remaining = sum(max(0, (step.expected or 0) - step.seen) for step in waiting)
    if read < _TELLING * remaining:
        return ""
    seconds = (timezone.now() - run.started_at).total_seconds() / read * remaining
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute left"
    return f"about {minutes:,} minute{'s' * (minutes > 1)} left"


_TELLING = 0.1  # short lists come first, and their pace misleads
_ENDED = {SyncStep.Status.DONE, SyncStep.Status.REFUSED}


@require_safe
@admin_only
def live(request: MemberRequest) -> HttpResponse:
    """What is on, what is off and why."""
    connection = connection_of(request.membership.organization_id)
    now, used = journey.current(connection), connection.credential
    if used is None or now != "live":
        return redirect(f"onboarding:{now}")
    found = features(connection)
    context = {
        "steps": journey.path(connection, here="live"),
        "connection": connection,
        "credential": used,
        "on": _on(used, found),
        "off": [off for key, off in found.off.items() if key not in NOT_YET],
        "last_sync": plan.last_good(connection),
        "counts": mirrored(connection),
        "kept": rotate.waiting(connection, Credential.State.KEPT),
        "beside": rotate.waiting(connection, Credential.State.BESIDE),
        "open_issues": open_issues(request.membership.organization),
    }
    return render(request, "onboarding/live.html", context)


def _on(used: Credential, found: Features) -> list[Feature]:
    asked = {key for p in used.catalogue.for_kind(used.kind) for key in p.features}
    on = asked - NOT_YET - found.off.keys()
    return [feature for key, feature in used.catalogue.features.items() if key in on]


def mirrored(connection: Connection) -> dict[str, int]:
    """How many records of each kind the mirror holds."""
    return {step.label: step.count(connection) for step in STEPS if step.model}
