"""Every permission, ticked off live; all of them or one of them tested again."""

from __future__ import annotations

from itertools import groupby

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.noted import noted
from portal.connections.features import features
from portal.connections.leading import leads_to_greenhouse
from portal.connections.models import CheckRun, Connection, Credential
from portal.connections.standing import connection_of
from portal.core.htmx import page_or_part
from portal.onboarding import journey
from portal.onboarding.lines import counts, lines


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@leads_to_greenhouse
def permissions(request: MemberRequest) -> HttpResponse:
    """The list. POST has all of it tested again."""
    connection = connection_of(request.membership.organization_id)
    used = connection.credential
    if used is None:
        return redirect("onboarding:credential")
    if request.method == "POST":
        journey.request_check(connection, by=request.membership.user)
        noted(request, "permissions.tested", "had all permissions tested", subject=connection)
        if not request.htmx:
            return redirect("onboarding:permissions")
    return _page(request, connection, used)


@require_POST
@admin_only
def test_one(request: MemberRequest, key: str) -> HttpResponse:
    """Have one permission tested again, with those that share its tick box."""
    connection = connection_of(request.membership.organization_id)
    used = connection.credential
    if used is None:
        return redirect("onboarding:credential")
    if key not in {p.key for p in used.catalogue.for_kind(used.kind)}:
        raise Http404
    journey.request_check(connection, by=request.membership.user, only={key})
    noted(request, "permissions.tested", f"had the permission {key} tested", subject=connection)
    if not request.htmx:
        return redirect(f"{reverse('onboarding:permissions')}#permission-{key}")
    return _page(request, connection, used)


def _page(request: MemberRequest, connection: Connection, used: Credential) -> HttpResponse:
    check = used.checks.first()
    shown = lines(used, check)
    found = features(connection)
    missing = [line for line in shown if line.is_missing]
    counted = counts(shown)
    context = {
        "steps": journey.path(connection, here="permissions"),
        "connection": connection,
        "credential": used,
        "check": check,
        "failed_for_good": check is not None and check.cause in _NEEDS_A_NEW_ONE,
        "groups": [(name, list(of)) for name, of in groupby(shown, lambda x: x.permission.group)],
        "counts": counted,
        "progress_words": f"{counted['tried']} of {counted['all']}",
        "missing": missing,
        "tick_list": "\n".join(used.boxes(line.permission for line in missing)),
        "agree_again": any(line.remedy.connect_again for line in missing),
        "found": found,
        "may_go_on": found.checked and not found.blocked,
    }
    return page_or_part(request, "onboarding/permissions.html", "check", context)


_NEEDS_A_NEW_ONE = {CheckRun.Cause.CREDENTIAL, CheckRun.Cause.UNREADABLE}
