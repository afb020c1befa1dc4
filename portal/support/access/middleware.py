from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal.web.client_ip import get_client_ip


class AdminAccessMiddleware:
    """Hides the admin outside ADMIN_NETWORKS and enforces STAFF_ONE_TIME_CODES."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.app_name != "admin":
            return None
        if settings.ADMIN_NETWORKS and not _is_from_admin_network(request):
            raise Http404
        user = request.user
        requires_code = settings.STAFF_ONE_TIME_CODES and user.is_authenticated and user.is_staff
        if requires_code and match.url_name != "logout" and not is_mfa_enabled(user):
            messages.info(request, "Staff sign in with a one-time code. Turn it on here.")
            return redirect("mfa_activate_totp")
        return None


def _is_from_admin_network(request: HttpRequest) -> bool:
    address = get_client_ip(request)
    return address is not None and any(
        ip_address(address) in network for network in settings.ADMIN_NETWORKS
    )
