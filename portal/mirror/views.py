"""The history of syncs: how long they took, what they brought, what failed, what comes next."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from portal.accounts.access import MemberRequest, admin_only
from portal.connections.models import Connection
from portal.core.htmx import page_or_part
from portal.mirror import freshness, history, schedule, sync
from portal.mirror.models import SyncRun


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def history_page(request: MemberRequest) -> HttpResponse:
    """The newest runs with their steps. POST asks for what changed, now."""
    connection = (
        Connection.objects.filter(organization_id=request.membership.organization_id)
        .select_related("organization")
        .first()
    )
    live = connection is not None and connection.state in schedule.LIVE
    if request.method == "POST":
        if connection is not None and live:
            sync.request(connection, SyncRun.Scope.RECENT, by=request.membership.user)
        return redirect("mirror:history")
    return page_or_part(
        request,
        "mirror/history.html",
        "runs",
        history.of(connection)
        | {
            "fresh": freshness.of(connection),
            "live": live,
            "paused": connection.state == Connection.State.PAUSED,
        }
        if connection
        else {},
    )
