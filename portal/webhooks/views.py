"""The door that Greenhouse delivers to, and the page on which an admin sets it up."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from integrations.ats.errors import UnreadableAnswer
from integrations.ats.webhooks import WebHooks
from portal.accounts.access import MemberRequest, admin_only, public
from portal.connections.models import Connection
from portal.connections.standing import connection_of
from portal.core.client_ip import client_ip
from portal.core.htmx import page_or_part
from portal.core.keys import as_key
from portal.core.limits import count_hit
from portal.core.secrets import SecretUnreadable
from portal.webhooks import address as addresses
from portal.webhooks import receive as door
from portal.webhooks.events import Lines, lines_of
from portal.webhooks.models import Address


@csrf_exempt
@require_POST
@public("Greenhouse delivers here; each delivery is signed with the address's secret")
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """Take in one delivery. Greenhouse repeats whatever is not answered with 200."""
    address = Address.objects.select_related("connection").filter(token=token).first()
    if address is None:
        return _unknown(request, 404, "There is no such address.")
    vendor = addresses.vendor_of(address.connection)
    if vendor is None or address.connection.state == Connection.State.DISCONNECTED:
        return _unknown(request, 410, "This connection was ended.")
    if _length(request) > door.LARGEST:
        return _answer(413, "That is too large for a web hook.")
    try:
        door.receive(
            address,
            vendor,
            body=request.body,
            signature=request.headers.get(vendor.signature_header, ""),
            event_id=request.headers.get(vendor.id_header, ""),
        )
    except door.WronglySigned:
        wait = door.record_bad_signature(address)
        return _refuse(wait, 401, "The signature does not fit the secret of this address.")
    except UnreadableAnswer:
        return _answer(400, "This is no event.")
    except SecretUnreadable:
        return _answer(503, "The secret cannot be opened at the moment.")
    return _answer(200, "Taken in.")


def _unknown(request: HttpRequest, status: int, words: str) -> HttpResponse:
    limit = settings.WEBHOOK_UNKNOWN_ADDRESSES
    return _refuse(count_hit(f"webhook-address:{client_ip(request)}", limit), status, words)


def _refuse(wait: int, status: int, words: str) -> HttpResponse:
    """Refuse a delivery; over its limit, with the seconds to wait."""
    if not wait:
        return _answer(status, words)
    response = _answer(429, "Too many refused deliveries.")
    response["Retry-After"] = str(wait)
    return response


def _answer(status: int, words: str) -> HttpResponse:
    return HttpResponse(f"{words}\n", content_type="text/plain", status=status)


def _length(request: HttpRequest) -> int:
    """What the sender says it sends; Django reads no more than that."""
    return as_key(request.META.get("CONTENT_LENGTH") or "") or 0


# -- set-up ------------------------------------------------------------------------------------


@require_safe
@never_cache
@admin_only
def page(request: MemberRequest) -> HttpResponse:
    """The address, the web hooks to make, and which of them were seen."""
    connection = connection_of(request.membership.organization_id)
    vendor = addresses.vendor_of(connection)
    if vendor is None:
        return redirect("onboarding:setup")
    return page_or_part(request, "webhooks/page.html", "marks", _context(connection, vendor))


@require_POST
@never_cache
@admin_only
def secret(request: MemberRequest) -> HttpResponse:
    """Make the address with its secret, or a new secret; shown in this answer and never again."""
    connection = connection_of(request.membership.organization_id)
    vendor = addresses.vendor_of(connection)
    if vendor is None:
        return redirect("onboarding:setup")
    try:
        made = _made(request, connection)
    except addresses.MadeMeanwhile:
        messages.warning(
            request,
            "A secret was made a moment ago, and a secret is shown only once. "
            "If you did not copy it, make a new one.",
        )
        return redirect("webhooks:page")
    context = {**_context(connection, vendor), "secret": made}
    return render(request, "webhooks/page.html", context)


def _made(request: MemberRequest, connection: Connection) -> str:
    by, present = request.membership.user, addresses.address_of(connection)
    if present is None:
        return addresses.make(connection, by=by, request=request)
    given = request.POST.get("version", "")
    version = int(given) if given.isdecimal() and len(given) < 10 else 0
    return addresses.renew(present, version=version, by=by, request=request)


@require_POST
@admin_only
def end_former(request: MemberRequest) -> HttpResponse:
    """Accept the former secret no longer."""
    address = _address(request)
    if addresses.end_former(address, by=request.membership.user, request=request):
        messages.success(request, "The former secret is no longer accepted.")
    return redirect("webhooks:page")


@require_POST
@admin_only
def test(request: MemberRequest) -> HttpResponse:
    """Send a delivery of our own through the same code; the page then says how far it came."""
    address = _address(request)
    vendor = addresses.vendor_of(address.connection)
    if vendor is None:
        return redirect("onboarding:setup")
    try:
        door.test(address, vendor)
    except SecretUnreadable:
        messages.error(request, "The stored secret can no longer be opened. Make a new one.")
    return redirect("webhooks:page")


def _address(request: MemberRequest) -> Address:
    return get_object_or_404(
        Address.objects.select_related("connection"),
        connection__organization_id=request.membership.organization_id,
    )


def _context(connection: Connection, vendor: WebHooks) -> dict[str, object]:
    address = addresses.address_of(connection)
    lines: Lines = lines_of(connection, vendor)
    return {
        "connection": connection,
        "vendor": vendor,
        "address": address,
        "url": addresses.url_of(address) if address else "",
        "insecure": not settings.PORTAL_URL.startswith("https://"),
        "refused_title": _refused(address),
        "lines": lines,
        "grace": addresses.GRACE.days,
    }


def _refused(address: Address | None) -> str:
    number = address.refused if address else 0
    return f"{number:,} wrongly signed message{'' if number == 1 else 's'}"
