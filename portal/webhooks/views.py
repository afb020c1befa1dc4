"""The webhook receiver, and the page where an admin sets up webhooks."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from integrations.ats.errors import UnreadableResponse
from integrations.ats.webhooks import WebhookSpec
from integrations.greenhouse.webhooks import WEBHOOK_SPEC
from portal.accounts.access import MemberRequest, admin_only, public_view
from portal.connections.connection_state import get_connection
from portal.connections.models import Connection, Credential
from portal.core import links
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.core.secrets.secret_field import SecretUnreadable
from portal.core.tenancy.scope import all_organizations, enter_organization
from portal.web.client_ip import get_client_ip
from portal.web.htmx import render_page_or_partial
from portal.web.rate_limits import count_hit
from portal.webhooks import endpoint as endpoints
from portal.webhooks import receiver, request_body
from portal.webhooks.event_list import build_event_list
from portal.webhooks.models import Endpoint


@csrf_exempt
@require_POST
@public_view("Greenhouse delivers here; each delivery is signed with the address's secret")
def receive_delivery(request: HttpRequest, token: str) -> HttpResponse:
    """Receive one delivery; Greenhouse repeats any that is not answered with 200."""
    endpoint = _get_endpoint_at(token)
    if endpoint is None:
        return _reject_unknown(request, 404, "Unknown webhook URL.")
    enter_organization(endpoint.connection.organization_id)
    if endpoint.connection.state == Connection.State.DISCONNECTED or not endpoint.has_credential:
        return _reject_unknown(request, 410, "This connection was disconnected.")
    try:
        body = request_body.read_body(request, receiver.MAX_BODY_BYTES)
    except request_body.BodyTooLarge:
        return _render_text(413, "The request body is too large.")
    except request_body.LengthRequired:
        return _render_text(411, "Send the length of the delivery (Content-Length).")
    except request_body.BodyUnreadable:
        return _render_text(400, "The request body was incomplete.")
    try:
        receiver.receive_delivery(
            endpoint,
            WEBHOOK_SPEC,
            body=body,
            signature=request.headers.get(WEBHOOK_SPEC.signature_header, ""),
            event_id=request.headers.get(WEBHOOK_SPEC.id_header, ""),
        )
    except receiver.SignatureMismatch:
        wait = receiver.record_bad_signature(endpoint)
        return _reject_delivery(wait, 401, "The signature doesn't match this endpoint's secret.")
    except UnreadableResponse:
        return _render_text(400, "The body isn't a webhook event.")
    except SecretUnreadable:
        return _render_text(503, "The secret can't be read at the moment.")
    return _render_text(200, "Received.")


@all_organizations("the address names the organization")
@use_prepared_statements()
def _get_endpoint_at(token: str) -> Any:
    return next(iter(_find_endpoint(token)), None)


@compile_once
def _find_endpoint(token: str) -> QuerySet[Endpoint]:
    credentials = Credential.objects.filter(
        connection=OuterRef("connection"), state=Credential.State.IN_USE
    )
    endpoints = Endpoint.objects.select_related("connection").filter(token=token)
    return endpoints.annotate(has_credential=Exists(credentials))


def _reject_unknown(request: HttpRequest, status: int, message: str) -> HttpResponse:
    limit = settings.WEBHOOK_UNKNOWN_ENDPOINTS
    return _reject_delivery(
        count_hit(f"webhook-address:{get_client_ip(request)}", limit), status, message
    )


def _reject_delivery(wait: int, status: int, message: str) -> HttpResponse:
    if not wait:
        return _render_text(status, message)
    response = _render_text(429, "Too many refused deliveries.")
    response["Retry-After"] = str(wait)
    return response


def _render_text(status: int, message: str) -> HttpResponse:
    return HttpResponse(f"{message}\n", content_type="text/plain", status=status)


# -- setup -------------------------------------------------------------------------------------


@require_safe
@never_cache
@admin_only
def setup_page(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    vendor = endpoints.get_vendor(connection)
    if vendor is None:
        return redirect(links.SETUP)
    return render_page_or_partial(
        request, "webhooks/setup.html", "events", _build_context(connection, vendor)
    )


@require_POST
@never_cache
@admin_only
def create_secret(request: MemberRequest) -> HttpResponse:
    """Create the endpoint or rotate its secret, which only this response shows."""
    connection = get_connection(request.membership.organization_id)
    vendor = endpoints.get_vendor(connection)
    if vendor is None:
        return redirect(links.SETUP)
    try:
        secret = _create_or_rotate(request, connection)
    except endpoints.SecretAlreadyChanged:
        messages.warning(
            request,
            "A secret was created a moment ago and is shown only once. "
            "If you didn't copy it, create a new one.",
        )
        return redirect("webhooks:setup")
    context = {**_build_context(connection, vendor), "secret": secret}
    return render(request, "webhooks/setup.html", context)


def _create_or_rotate(request: MemberRequest, connection: Connection) -> str:
    by, current = request.membership.user, endpoints.get_endpoint(connection)
    if current is None:
        return endpoints.create_endpoint(connection, by=by, request=request)
    raw_version = request.POST.get("version", "")
    version = int(raw_version) if raw_version.isdecimal() and len(raw_version) < 10 else 0
    return endpoints.rotate_secret(current, version=version, by=by, request=request)


@require_POST
@admin_only
def revoke_previous_secret(request: MemberRequest) -> HttpResponse:
    endpoint = _get_endpoint(request)
    if endpoints.revoke_previous_secret(endpoint, by=request.membership.user, request=request):
        messages.success(request, "Previous secret revoked.")
    return redirect("webhooks:setup")


@require_POST
@admin_only
def send_test(request: MemberRequest) -> HttpResponse:
    endpoint = _get_endpoint(request)
    vendor = endpoints.get_vendor(endpoint.connection)
    if vendor is None:
        return redirect(links.SETUP)
    try:
        receiver.send_test_delivery(endpoint, vendor)
    except SecretUnreadable:
        messages.error(request, "The stored secret can't be read. Create a new one.")
    return redirect("webhooks:setup")


def _get_endpoint(request: MemberRequest) -> Endpoint:
    return get_object_or_404(
        Endpoint.objects.select_related("connection"),
        connection__organization_id=request.membership.organization_id,
    )


def _build_context(connection: Connection, vendor: WebhookSpec) -> dict[str, object]:
    endpoint = endpoints.get_endpoint(connection)
    return {
        "connection": connection,
        "vendor": vendor,
        "endpoint": endpoint,
        "url": endpoints.build_endpoint_url(endpoint) if endpoint else "",
        "is_insecure": not settings.PORTAL_URL.startswith("https://"),
        "rejected_title": _describe_rejected(endpoint),
        "event_list": build_event_list(connection, vendor),
        "grace_days": endpoints.SECRET_GRACE_PERIOD.days,
    }


def _describe_rejected(endpoint: Endpoint | None) -> str:
    count = endpoint.rejected_count if endpoint else 0
    return f"{count:,} webhook{'' if count == 1 else 's'} rejected: wrong signature"
