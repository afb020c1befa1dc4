"""The least that a click can take on these parts: for comparison, with nothing that makes it safe.

The portal's own addresses and one more. Behind it the same middleware, session, membership, row,
queue and requests to Greenhouse, but no rights, no compare-and-swap, no shared budget, no mirror,
no log.
"""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_POST

from integrations.ats.client_context import ApiCallRecord, ClientContext, Lane
from integrations.greenhouse.provider import Provider, create_provider
from integrations.greenhouse.sandbox import ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET
from portal.accounts.access import MemberRequest, member_only
from portal.applications.models import ActionKind, ApplicationAction
from portal.connections.call_log import build_api_call
from portal.connections.models import ApiCall
from portal.core import queue
from portal.urls import urlpatterns as _portal

Status = ApplicationAction.Status
SEND_TASK = f"{__name__}.send"
queue.register_task_options({SEND_TASK: queue.TaskOptions(queue.QueueLane.CLICKS)})
_calls: list[ApiCallRecord] = []


@require_POST
@member_only
def advance(request: MemberRequest, pk: int) -> HttpResponse:
    """Record the click and hand it over."""
    with transaction.atomic():
        action = ApplicationAction.objects.create(
            application_id=pk,
            membership=request.membership,
            kind=ActionKind.ADVANCE,
            acting_user_remote_id=int(request.POST["acting"]),
            seen_stage_remote_id=int(request.POST["stage"]),
            seen_entry_id=int(request.POST["entry"]),
        )
        queue.enqueue_task(SEND_TASK, action.pk, organization_id=request.membership.organization_id)
    return HttpResponse("recorded")


def send(action_id: int) -> None:
    """Send it, and remember that it is done."""
    action = ApplicationAction.objects.select_related("application").get(pk=action_id)
    mine = ApplicationAction.objects.filter(pk=action_id)
    mine.update(status=Status.SENDING, sent_at=timezone.now())
    application = action.application
    _provider().advance_application(
        application.remote_id, seen=action.seen_stage, acting_user_id=action.acting_user_id
    )
    mine.update(status=Status.DONE, settled_at=timezone.now())
    ApiCall.objects.bulk_create(
        build_api_call(application.connection_id, "", call) for call in _calls
    )
    _calls.clear()


@cache
def _provider() -> Provider:
    secrets = {"client_id": ACME_V3_CLIENT_ID, "client_secret": ACME_V3_CLIENT_SECRET}
    wiring = ClientContext(
        api_url=settings.GREENHOUSE_API_URL,
        auth_url=settings.GREENHOUSE_AUTH_URL,
        connection_key="floor",
        lane=Lane.PEOPLE,
        log_call=_calls.append,
    )
    return create_provider("harvest_oauth", secrets, wiring)


urlpatterns = [path("floor/<int:pk>/", advance), *_portal]
