"""Access decorators. Every view carries one; a test checks all URLs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from portal.accounts import activity
from portal.accounts.models import Membership, User
from portal.core import links
from portal.core.tenancy.scope import all_organizations, enter_organization, get_scope

View = Callable[..., HttpResponseBase]

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails


class MemberRequest(HttpRequest):
    membership: Membership
    htmx: HtmxDetails


def get_membership(request: HttpRequest) -> Membership | None:
    """Return the user's membership, loaded once per request."""
    if not hasattr(request, "_membership"):
        user = getattr(request, "user", None)
        membership = None
        if user is not None and user.is_authenticated:
            membership = _find_membership(user)
            if membership is not None and get_scope() is None:
                enter_organization(membership.organization_id)
        request._membership = membership  # type: ignore[attr-defined]
    return cast("Membership | None", request._membership)  # type: ignore[attr-defined]


@all_organizations("the membership names the organization")
def _find_membership(user: User) -> Membership | None:
    memberships = Membership.objects.filter(user=user).select_related("organization")
    membership = memberships.order_by("id").first()
    if membership is not None:
        membership.user = user  # already loaded by the session
    return membership


def impersonate_membership(request: HttpRequest, membership: Membership) -> None:
    """Override `get_membership` for this request; only for portal.support.impersonation."""
    enter_organization(membership.organization_id)
    request._membership = membership  # type: ignore[attr-defined]


def public_view(reason: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        view.policy = f"public: {reason}"  # type: ignore[attr-defined]
        return view

    return decorate


def redirect_to_sign_in(request: HttpRequest) -> HttpResponseRedirect:
    if request.method in {"GET", "HEAD"}:
        return redirect_to_login(request.get_full_path())
    # A POST cannot be repeated after sign-in: return to the page it was sent from.
    referrer = request.headers.get("Referer", "")
    is_same_site = url_has_allowed_host_and_scheme(
        referrer, {request.get_host()}, require_https=request.is_secure()
    )
    referring_page = urlsplit(referrer if is_same_site else "")
    if referring_page.path == reverse(links.SIGN_IN):
        return HttpResponseRedirect(reverse(links.SIGN_IN))
    query = f"?{referring_page.query}" if referring_page.query else ""
    return redirect_to_login(
        f"{referring_page.path}{query}" if referring_page.path else reverse(links.HOME)
    )


def _build_member_view(view: View, *, admin: bool) -> View:
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_sign_in(request)
        member = get_membership(request)
        if member is None:
            context = {"former": _find_former_organization(request.user)}
            return render(request, "accounts/no_organization.html", context, status=403)
        if admin and not member.is_admin:
            raise PermissionDenied
        request.membership = member  # type: ignore[attr-defined]
        activity.record_activity(member)
        return view(request, *args, **kwargs)

    wrapper.policy = "admin" if admin else "member"  # type: ignore[attr-defined]
    return wrapper


@all_organizations("the person belongs to none any more")
def _find_former_organization(user: Any) -> str | None:
    ended = Membership._base_manager.filter(user=user).exclude(ended_at=None)
    return ended.order_by("ended_at").values_list("organization__name", flat=True).last()


def signed_in_only(view: View) -> View:
    """Allow any signed-in user, including staff; for views of the user's own data."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_sign_in(request)
        return view(request, *args, **kwargs)

    wrapper.policy = "signed in"  # type: ignore[attr-defined]
    return wrapper


def member_only(view: View) -> View:
    """Require a membership and set `request.membership`."""
    return _build_member_view(view, admin=False)


def admin_only(view: View) -> View:
    """Require an organization admin; other members get 403."""
    return _build_member_view(view, admin=True)
