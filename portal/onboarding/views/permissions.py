from __future__ import annotations

from itertools import groupby

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from integrations.ats.permissions import ProbeOutcome
from portal.accounts.access import MemberRequest, admin_only
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.connections.oauth.csp import allow_greenhouse_form_action
from portal.onboarding import setup_flow
from portal.onboarding.permission_checklist import (
    build_checklist,
    count_states,
    group_by_checkbox,
)
from portal.web.htmx import redirect_page, render_page_or_partial, wants_partial


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@allow_greenhouse_form_action
@audited_action
def permissions_page(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    credential = connection.credential
    if credential is None:
        return redirect("onboarding:credential")
    if request.method == "POST":
        setup_flow.request_check(connection, by=request.membership.user)
        record_member_action(
            request, "permissions.checked", "tested all permissions", subject=connection
        )
        if not request.htmx:
            return redirect("onboarding:permissions")
    elif wants_partial(request) and _is_step_passed(connection, credential):
        messages.success(request, "All permissions granted.")
        return redirect_page(request, "onboarding:people")
    return _render_page(request, connection, credential)


def _is_step_passed(connection: Connection, credential: Credential) -> bool:
    """Whether setup goes on to the people by itself. Only for a page that waited for the check."""
    check = credential.checks.first()
    if connection.people_reviewed_at or check is None or check.status != CheckRun.Status.DONE:
        return False
    counts = count_states(group_by_checkbox(build_checklist(credential, check)))
    return counts["granted"] == counts["all"]


@require_POST
@admin_only
@audited_action
def retest_permission(request: MemberRequest, key: str) -> HttpResponse:
    """Test one permission again, and those that share its checkbox."""
    connection = get_connection(request.membership.organization_id)
    credential = connection.credential
    if credential is None:
        return redirect("onboarding:credential")
    if key not in {p.key for p in credential.catalogue.list_permissions(credential.kind)}:
        raise Http404
    setup_flow.request_check(connection, by=request.membership.user, only={key})
    record_member_action(
        request, "permissions.checked", f"tested the permission {key}", subject=connection
    )
    if not request.htmx:
        return redirect(f"{reverse('onboarding:permissions')}#permission-{key}")
    return _render_page(request, connection, credential)


def _render_page(
    request: MemberRequest, connection: Connection, credential: Credential
) -> HttpResponse:
    check = credential.checks.first()
    checkboxes = group_by_checkbox(build_checklist(credential, check))
    setup_status = setup_flow.SetupStatus(connection)
    feature_set = setup_status.features
    missing = [box for box in checkboxes if box.state == ProbeOutcome.MISSING]
    settled = [box for box in checkboxes if box.state in _FOLDED_STATES]
    counts = count_states(checkboxes)
    can_continue = feature_set.checked and not feature_set.blocked
    context = {
        "steps": setup_flow.build_steps(setup_status, shown_step="permissions"),
        "connection": connection,
        "credential": credential,
        "check": check,
        "failed_for_good": check is not None and check.cause in _NEEDS_NEW_CREDENTIAL,
        "missing": missing,
        "unverified": [box for box in checkboxes if box not in missing + settled],
        "groups": [(name, list(boxes)) for name, boxes in groupby(settled, lambda b: b.group)],
        "counts": counts,
        "progress_text": f"{counts['tried']} of {counts['all']}",
        "tick_list": "\n".join(
            credential.list_checkboxes(item.permission for box in missing for item in box.items)
        ),
        "must_authorize_again": any(box.fix.connect_again for box in missing),
        "features": feature_set,
        "can_continue": can_continue,
    }
    return render_page_or_partial(request, "onboarding/permissions.html", "check", context)


_FOLDED_STATES = {ProbeOutcome.GRANTED, PermissionCheck.WAITING}
_NEEDS_NEW_CREDENTIAL = {CheckRun.Cause.CREDENTIAL, CheckRun.Cause.UNREADABLE}
