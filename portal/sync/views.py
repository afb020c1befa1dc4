"""The sync history page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from portal.accounts.access import MemberRequest, admin_only
from portal.connections.models import Connection
from portal.sync import freshness, history
from portal.sync.engine import run_lifecycle
from portal.sync.models import SyncRun
from portal.web.htmx import render_page_or_partial


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def show_sync_history(request: MemberRequest) -> HttpResponse:
    connection = (
        Connection.objects.filter(organization_id=request.membership.organization_id)
        .select_related("organization")
        .first()
    )
    live = connection is not None and connection.state in Connection.LIVE_STATES
    if request.method == "POST":
        if connection is not None and live:
            run_lifecycle.request_sync(connection, SyncRun.Scope.RECENT, by=request.membership.user)
        return redirect("sync:history")
    return render_page_or_partial(
        request,
        "sync/history.html",
        "runs",
        history.build_history_context(connection)
        | {
            "fresh": freshness.get_freshness(connection),
            "live": live,
            "paused": connection.state == Connection.State.PAUSED,
        }
        if connection
        else {},
    )
