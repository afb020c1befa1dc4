from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import (
    get_membership,
    list_memberships,
    public_view,
    redirect_to_sign_in,
    select_organization,
    signed_in_only,
)
from portal.accounts.models import Membership
from portal.core import links
from portal.web.id_parsing import parse_id


def handle_csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Without a session, the cookies are gone: signing in again is what helps."""
    is_signed_out = not request.user.is_authenticated
    context = {"sign_in_again_url": redirect_to_sign_in(request).url if is_signed_out else ""}
    return render(request, "403_csrf.html", context, status=403)


@public_view("leads on to where the reader belongs, or to the sign-in page")
def redirect_home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect(links.SIGN_IN)
    membership = get_membership(request)
    if membership is None and request.user.is_staff:
        return redirect(links.ADMIN_HOME)
    if membership is not None and membership.is_admin and _needs_setup(membership):
        return redirect(links.SETUP)
    return redirect(links.JOB_LIST)


def _needs_setup(membership: Membership) -> bool:
    connection = getattr(membership.organization, "connection", None)
    return connection is None or connection.state == connection.State.DRAFT


@require_POST
@signed_in_only
def switch_organization(request: HttpRequest) -> HttpResponse:
    """Work in another of the user's organizations for the rest of this session."""
    organization_id = parse_id(request.POST.get("organization", ""))
    organization_ids = {member.organization_id for member in list_memberships(request)}
    if organization_id is None or organization_id not in organization_ids:
        raise Http404
    select_organization(request, organization_id)
    return redirect(links.HOME)


@require_safe
@public_view("browsers ask for it on every page")
def redirect_favicon(request: HttpRequest) -> HttpResponse:
    return redirect(static("img/logo.svg"))


@require_safe
@public_view("for search engines, which are to stay out")
def show_robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")
