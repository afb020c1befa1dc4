from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from integrations.ats.permissions import Feature
from portal.accounts.access import MemberRequest, admin_only
from portal.accounts.models import Organization
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.models import Connection, Credential
from portal.connections.permissions.features import UNUSED_FEATURES, Features
from portal.issues.models import Issue
from portal.issues.open_issues import list_open_issues
from portal.onboarding import consent_requests, setup_flow
from portal.sync import history
from portal.sync.access_promise import get_access_promise
from portal.sync.engine.steps import STEP_LABELS, STEPS
from portal.sync.models import SyncRun, SyncStep
from portal.web.htmx import redirect_page, render_page_or_partial, wants_partial


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@audited_action
def first_sync_page(request: MemberRequest) -> HttpResponse:
    """The newest sync. POST requests one, joining an open one."""
    connection = get_connection(request.membership.organization_id)
    setup_status = setup_flow.SetupStatus(connection)
    current_step = setup_status.current_step
    if current_step in setup_flow.STEPS_BEFORE_PEOPLE:
        return redirect(f"onboarding:{current_step}")
    paused = connection.state == Connection.State.PAUSED
    if paused and current_step == "live":
        return redirect("onboarding:live")  # it says so
    if connection.data_deletion_pending:
        messages.info(request, "Data from the previous connection is still being deleted.")
        return redirect("onboarding:permissions")
    if request.method == "POST" and not paused:
        setup_flow.request_sync(connection, by=request.membership.user)
        record_member_action(request, "sync.requested", "requested a sync", subject=connection)
        return redirect("onboarding:sync")
    run = _get_shown_run(connection)
    if wants_partial(request) and _is_first_sync_done(connection, run):
        messages.success(
            request, "Everything is synced. Recruiters can now see their requisitions."
        )
        return redirect_page(request, "onboarding:live")
    all_steps = list(run.steps.order_by("id")) if run else []
    steps = [step for step in all_steps if not step.skip_reason]
    skipped_lists = history.group_skipped_lists(all_steps)
    ended_count = sum(step.status in _ENDED_STATUSES for step in steps)
    context = {
        "steps": setup_flow.build_steps(setup_status, shown_step="sync"),
        "run": run,
        "paused": paused,
        "lines": [(STEP_LABELS.get(step.kind, step.kind), step) for step in steps],
        "ended": ended_count,
        "number": len(steps),
        "progress_text": f"{ended_count} of {len(steps)}",
        "left": _estimate_time_left(run, steps),
        "skipped_lists": skipped_lists,
        "whole": "Synced, except lists without permission"
        if skipped_lists
        else "Everything is synced",
    }
    return render_page_or_partial(request, "onboarding/sync.html", "progress", context)


def _is_first_sync_done(connection: Connection, run: SyncRun | None) -> bool:
    """Whether setup goes on by itself. Only for a page that waited for the first sync."""
    if run is None or run.status != SyncRun.Status.DONE or connection.people_reviewed_at is None:
        return False
    if history.group_skipped_lists(run.steps.order_by("id")):
        return False
    completed = connection.syncs.filter(status__in=SyncRun.COMPLETED)
    return completed.exclude(scope=SyncRun.Scope.PEOPLE).count() == 1


def _get_shown_run(connection: Connection) -> SyncRun | None:
    runs = connection.syncs.exclude(scope=SyncRun.Scope.PEOPLE)
    open_run = runs.filter(status__in=SyncRun.OPEN).first()
    return open_run or runs.filter(scope=SyncRun.Scope.FULL).first()


def _estimate_time_left(run: SyncRun | None, steps: list[SyncStep]) -> str:
    """Extrapolates the pace so far; "" without a basis.

    Greenhouse reports no totals, so those of the last complete sync are used.
    """
    if run is None or run.started_at is None or not run.is_open:
        return ""
    waiting_steps = [step for step in steps if step.status not in _ENDED_STATUSES]
    read_count = sum(step.read_count for step in steps)
    if not waiting_steps or not read_count or any(step.expected is None for step in waiting_steps):
        return ""
    remaining_count = sum(max(0, (step.expected or 0) - step.read_count) for step in waiting_steps)
    if read_count < _MIN_READ_SHARE * remaining_count:
        return ""
    seconds = (timezone.now() - run.started_at).total_seconds() / read_count * remaining_count
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute left"
    return f"about {minutes:,} minute{'s' * (minutes > 1)} left"


_MIN_READ_SHARE = 0.1  # short lists come first, and their pace misleads
_ENDED_STATUSES = {SyncStep.Status.DONE, SyncStep.Status.REFUSED}


@require_safe
@admin_only
def live_page(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    setup_status = setup_flow.SetupStatus(connection)
    credential = setup_status.credential
    if credential is None or setup_status.current_step != "live":
        return redirect(f"onboarding:{setup_status.current_step}")
    feature_set = setup_status.features
    context = {
        "steps": setup_flow.build_steps(setup_status, shown_step="live"),
        "connection": connection,
        "credential": credential,
        "on": _list_active_features(credential, feature_set),
        "off": [
            (feature, feature_set.name_missing_permissions(key))
            for key, (feature, _) in feature_set.off.items()
            if key not in UNUSED_FEATURES
        ],
        "syncing": list(feature_set.syncing.values()),
        "last_sync": setup_status.last_sync,
        "access": get_access_promise(
            connection, features=feature_set, newest_runs=setup_status.newest_runs
        ),
        "counts": count_records(connection),
        "previous_credential": setup_status.credentials.get(Credential.State.PREVIOUS),
        "pending_credential": setup_status.credentials.get(Credential.State.PENDING),
        "open_issues": _list_other_issues(request.membership.organization),
        "consents": consent_requests.count_consents(request.membership.organization)
        if credential.is_consent
        else None,
    }
    return render(request, "onboarding/live.html", context)


def _list_other_issues(organization: Organization) -> list[dict[str, object]]:
    """Open issues, except missing permissions: the page lists the features that are off."""
    return [
        item
        for item in list_open_issues(organization)
        if cast(Issue, item["issue"]).cause != Issue.Cause.MISSING_PERMISSION
    ]


def _list_active_features(credential: Credential, feature_set: Features) -> list[Feature]:
    used_features = {
        key for p in credential.catalogue.list_permissions(credential.kind) for key in p.features
    }
    active_keys = used_features - UNUSED_FEATURES - feature_set.unavailable
    return [feature for key, feature in credential.catalogue.features.items() if key in active_keys]


def count_records(connection: Connection) -> dict[str, int]:
    """Number of synced records of each kind."""
    counted_steps = {f"{step.kind}_count": step for step in STEPS if step.model}
    counts = Connection.objects.filter(pk=connection.pk).values(
        **{name: step.build_count() for name, step in counted_steps.items()}
    )
    row = counts.first() or {}
    return {step.label: cast("int", row.get(name, 0)) for name, step in counted_steps.items()}
