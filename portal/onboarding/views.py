"""Set-up in the browser: credential, permissions, first sync, live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from integrations.ats import registry
from integrations.ats.permissions import Feature, Origin, Outcome, Permission
from portal.accounts.access import MemberRequest, admin_only
from portal.connections import enter
from portal.connections.features import IN_USE, Features, features
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.connections.standing import connection_of
from portal.core.htmx import page_or_part
from portal.mirror import sync
from portal.mirror.models import SyncStep
from portal.onboarding import journey
from portal.onboarding.forms import CredentialForm

READ_AND_ASK = ["GET", "HEAD", "POST"]


@require_safe
@admin_only
def setup(request: MemberRequest) -> HttpResponse:
    """Wherever set-up stands."""
    connection = connection_of(request.membership.organization_id)
    return redirect(f"onboarding:{journey.current(connection)}")


# -- credential --------------------------------------------------------------------------------


@require_http_methods(READ_AND_ASK)
@admin_only
def credential(request: MemberRequest) -> HttpResponse:
    """Enter a credential: tried live, saved only when Greenhouse accepts it."""
    connection = connection_of(request.membership.organization_id)
    present = connection.credential
    asked = request.POST.get("kind") or request.GET.get("kind")
    kind = registry.KINDS.get(asked or (present.kind if present else ""), registry.KINDS[_DEFAULT])
    form = CredentialForm(request.POST or None, kind=kind)
    if request.method == "POST" and form.is_valid() and _entered(request, connection, form):
        return redirect("onboarding:permissions")
    context = {
        "steps": journey.path(journey.current(connection), here="credential"),
        "form": form,
        "kind": kind,
        "kinds": registry.KINDS.values(),
        "present": present,
        "place": registry.catalogue(kind.key).places[kind.key],
    }
    status = 422 if form.errors else 200
    return render(request, "onboarding/credential.html", context, status=status)


_DEFAULT = "harvest_oauth"


def _entered(request: MemberRequest, connection: Connection, form: CredentialForm) -> bool:
    try:
        enter.enter(
            connection,
            kind=form.kind.key,
            secrets=form.secrets(),
            by=request.membership.user,
            same_account=lambda sample: sync.same_account(connection, sample),
        )
    except enter.Refused as refusal:
        form.add_error(refusal.field, refusal.sentence)
        return False
    journey.request_check(connection, by=request.membership.user)
    messages.success(request, "Greenhouse accepts this credential. It is stored encrypted.")
    return True


# -- permissions -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One permission on the page: what it is, what was found, what it costs when missing."""

    permission: Permission
    words: str
    result: PermissionCheck | None
    off: tuple[Feature, ...]

    @property
    def state(self) -> str:
        return self.result.outcome if self.result else "not_asked"

    @property
    def is_missing(self) -> bool:
        return self.state == Outcome.MISSING

    @property
    def is_extra(self) -> bool:
        return self.permission.origin != Origin.ARTICLE


@require_http_methods(READ_AND_ASK)
@admin_only
def permissions(request: MemberRequest) -> HttpResponse:
    """Every permission, ticked off live. POST has all of them tried again."""
    connection = connection_of(request.membership.organization_id)
    used = connection.credential
    if used is None:
        return redirect("onboarding:credential")
    if request.method == "POST":
        journey.request_check(connection, by=request.membership.user)
        return redirect("onboarding:permissions")
    check = connection.checks.filter(credential=used).first()
    lines = _lines(used, check)
    now = journey.current(connection)
    missing = [line for line in lines if line.is_missing]
    counts = _counts(lines)
    context = {
        "steps": journey.path(now, here="permissions"),
        "connection": connection,
        "credential": used,
        "check": check,
        "groups": [(name, list(of)) for name, of in groupby(lines, lambda x: x.permission.group)],
        "counts": counts,
        "progress_words": f"{counts['tried']} of {counts['all']}",
        "missing": missing,
        "tick_list": "\n".join(_to_tick(missing, used.kind)),
        "place": used.catalogue.places[used.kind],
        "found": features(connection),
        "next": now,
    }
    return page_or_part(request, "onboarding/permissions.html", "check", context)


def _lines(used: Credential, check: CheckRun | None) -> list[Line]:
    results = {r.permission: r for r in check.results.all()} if check else {}
    asked = sorted(used.catalogue.for_kind(used.kind), key=_screen_order(used))
    return [
        Line(
            permission=permission,
            words=used.catalogue.words_for(permission, used.kind),
            result=results.get(permission.key),
            off=used.catalogue.features_off({permission.key}, used.kind),
        )
        for permission in asked
    ]


def _to_tick(missing: list[Line], kind: str) -> list[str]:
    """What to tick, once each, in the order of Greenhouse's screen."""
    if kind == "harvest_oauth":  # several permissions share one scope
        return list(dict.fromkeys(line.words for line in missing))
    return [f"{line.permission.group}: {line.words}" for line in missing]


def _screen_order(used: Credential) -> Callable[[Permission], int]:
    """Greenhouse's own order of groups, each group kept together."""
    groups = list(dict.fromkeys(p.group for p in used.catalogue.for_kind(used.kind)))
    return lambda permission: groups.index(permission.group)


def _counts(lines: list[Line]) -> dict[str, int]:
    states = [line.state for line in lines]
    tried = len(states) - states.count(PermissionCheck.WAITING)
    return {
        "all": len(states),
        "tried": tried,
        "granted": states.count(Outcome.GRANTED),
        "missing": states.count(Outcome.MISSING),
        "unclear": states.count(Outcome.UNCLEAR),
    }


# -- first sync and live -----------------------------------------------------------------------


@require_http_methods(READ_AND_ASK)
@admin_only
def first_sync(request: MemberRequest) -> HttpResponse:
    """The newest sync with its progress. POST asks for one."""
    connection = connection_of(request.membership.organization_id)
    now = journey.current(connection)
    if now in {"credential", "permissions"}:
        return redirect(f"onboarding:{now}")
    if request.method == "POST":
        journey.request_sync(connection, by=request.membership.user)
        return redirect("onboarding:sync")
    run = connection.syncs.first()
    steps = list(run.steps.order_by("id")) if run else []
    ended = {SyncStep.Status.DONE, SyncStep.Status.REFUSED}
    number = sum(step.status in ended for step in steps)
    context = {
        "steps": journey.path(now, here="sync"),
        "run": run,
        "lines": [(sync.LABELS.get(step.kind, step.kind), step) for step in steps],
        "ended": number,
        "number": len(steps),
        "words": f"{number} of {len(steps)}",
    }
    return page_or_part(request, "onboarding/sync.html", "progress", context)


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
        "steps": journey.path(now, here="live"),
        "connection": connection,
        "credential": used,
        "on": _on(used, found),
        "off": [off for key, off in found.off.items() if key in IN_USE],
        "last_sync": sync.last_good(connection),
        "counts": _mirrored(connection),
    }
    return render(request, "onboarding/live.html", context)


def _on(used: Credential, found: Features) -> list[Feature]:
    asked = {key for p in used.catalogue.for_kind(used.kind) for key in p.features}
    on = (asked & IN_USE) - found.off.keys()
    return [feature for key, feature in used.catalogue.features.items() if key in on]


def _mirrored(connection: Connection) -> dict[str, int]:
    return {step.label: step.count(connection) for step in sync.STEPS if step.model}
