"""Links that choose the organization: emails are read in whatever organization one works in."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import escape_leading_slashes

from integrations.ats.record_ids import parse_id
from portal.accounts.access import list_memberships, select_organization
from portal.core import links

PARAMETER = "organization"


def add_organization(path: str, organization_id: int) -> str:
    """Have a link to one of our pages open in this organization."""
    parts = urlsplit(path)
    query = [*parse_qsl(parts.query, keep_blank_values=True), (PARAMETER, str(organization_id))]
    return parts._replace(query=urlencode(query)).geturl()


def is_staff_page(path: str) -> bool:
    return path.startswith(reverse(links.ADMIN_HOME))


class OrganizationLinkMiddleware:
    """Switches if the reader is a member and signed in as the organization requires."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "GET" and PARAMETER in request.GET and not is_staff_page(request.path):
            return self._select_linked_organization(request) or self.get_response(request)
        return self.get_response(request)

    def _select_linked_organization(self, request: HttpRequest) -> HttpResponse | None:
        organization_id = parse_id(request.GET[PARAMETER])
        if organization_id is None or hasattr(request, "impersonation"):
            return None
        if organization_id not in {m.organization_id for m in list_memberships(request)}:
            return None
        select_organization(request, organization_id)
        query = request.GET.copy()
        del query[PARAMETER]
        path = escape_leading_slashes(request.path)
        return redirect(f"{path}?{query.urlencode()}" if query else path)
