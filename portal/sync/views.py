"""The sync history page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from portal.accounts.access import MemberRequest, admin_only
from portal.connections.models import Connection
from portal.sync import freshness, history
from portal.sync.engine import run_lifecycle
from portal.sync.models import SyncRun
from portal.web.htmx import render_page_or_partial

_NOT_CONNECTED = "Syncs start once Greenhouse is connected."
_NOT_LIVE: dict[str, str] = {
    Connection.State.CHECKING: "Permissions are being checked. Try again once that has ended.",
    Connection.State.SYNCING: "The first sync is still running.",
    Connection.State.PAUSED: "The connection is paused. Nothing syncs until you resume.",
}


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
        else:  # since the page with the button was opened
            messages.error(request, _explain_no_sync(connection))
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


def _explain_no_sync(connection: Connection | None) -> str:
    return _NOT_LIVE.get(connection.state, _NOT_CONNECTED) if connection else _NOT_CONNECTED
