"""The admin's own door: from which networks it opens, and with which proof."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal.core.client_ip import client_ip


class Gate:
    """Middleware: outside of ADMIN_NETWORKS there is no admin; with STAFF_ONE_TIME_CODES, whoever
    has switched none on is led there first.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.app_name != "admin":
            return None
        if settings.ADMIN_NETWORKS and not _from_there(request):
            raise Http404
        user = request.user
        asks = settings.STAFF_ONE_TIME_CODES and user.is_authenticated and user.is_staff
        if asks and match.url_name != "logout" and not is_mfa_enabled(user):
            messages.info(request, "Staff sign in with a one-time code. Please switch it on here.")
            return redirect("mfa_activate_totp")
        return None


def _from_there(request: HttpRequest) -> bool:
    found = client_ip(request)
    return found is not None and any(ip_address(found) in n for n in settings.ADMIN_NETWORKS)
