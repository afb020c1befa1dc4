"""Access decorators. Every view carries one; a test checks all URLs.

People may belong to several organizations. The session holds which one they work in; every form
and HTMX request names the one its page was rendered for, and is refused if that has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from portal.accounts import activity
from portal.accounts.admins import name_admins
from portal.accounts.models import Membership, Organization, User
from portal.core import links
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.core.hooks import Hook
from portal.core.tenancy.scope import all_organizations, enter_organization, get_scope

View = Callable[..., HttpResponseBase]

PAGE_ORGANIZATION_FIELD = "page_organization"  # in every form, see portal.web.templatetags.forms
PAGE_ORGANIZATION_HEADER = "X-Page-Organization"  # of every HTMX request, see templates/base.html
_SELECTED_KEY = "organization_id"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# Whether the way this session was signed in is enough for the organization.
sign_in_rule: Hook[[HttpRequest, Organization], bool] = Hook()

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails


class MemberRequest(HttpRequest):
    membership: Membership
    htmx: HtmxDetails


def get_membership(request: HttpRequest) -> Membership | None:
    """Return the membership selected in this session, loaded once per request."""
    if not hasattr(request, "_membership"):
        membership = _choose_membership(request)
        if membership is not None and get_scope() is None:
            enter_organization(membership.organization_id)
        request._membership = membership  # type: ignore[attr-defined]
    return cast("Membership | None", request._membership)  # type: ignore[attr-defined]


def list_memberships(request: HttpRequest) -> list[Membership]:
    """List the user's memberships that this session may use, the oldest first."""
    return [member for member in _load_memberships(request) if member not in _list_blocked(request)]


def list_blocked_organizations(request: HttpRequest) -> list[Organization]:
    """List the user's organizations that require another sign-in than this session's."""
    return [membership.organization for membership in _list_blocked(request)]


def select_organization(request: HttpRequest, organization_id: int) -> None:
    """Work in this organization from the next request on, if the user may."""
    request.session[_SELECTED_KEY] = organization_id


def _choose_membership(request: HttpRequest) -> Membership | None:
    memberships = list_memberships(request)
    if len(memberships) < 2:
        return memberships[0] if memberships else None
    selected_id = request.session.get(_SELECTED_KEY)
    selected = (member for member in memberships if member.organization_id == selected_id)
    return next(selected, memberships[0])


def _load_memberships(request: HttpRequest) -> list[Membership]:
    if not hasattr(request, "_memberships"):
        user = getattr(request, "user", None)
        is_signed_in = user is not None and user.is_authenticated
        request._memberships = _query_memberships(user) if is_signed_in else []  # type: ignore[attr-defined, arg-type]
    return cast("list[Membership]", request._memberships)  # type: ignore[attr-defined]


@all_organizations("the memberships name the organizations")
@use_prepared_statements()
def _query_memberships(user: User) -> list[Membership]:
    memberships = _find_memberships(user.pk)
    for membership in memberships:
        membership.user = user  # already loaded by the session
    return memberships


@compile_once
def _find_memberships(user_id: int) -> QuerySet[Membership]:
    memberships = Membership.objects.filter(user=user_id).select_related("organization")
    return memberships.order_by("id")


def _list_blocked(request: HttpRequest) -> list[Membership]:
    if not hasattr(request, "_blocked_memberships"):
        request._blocked_memberships = [  # type: ignore[attr-defined]
            membership
            for membership in _load_memberships(request)
            if not all(sign_in_rule.run(request, membership.organization))
        ]
    return cast("list[Membership]", request._blocked_memberships)  # type: ignore[attr-defined]


def impersonate_membership(request: HttpRequest, membership: Membership) -> None:
    """Override `get_membership` for this request; only for portal.support.impersonation."""
    enter_organization(membership.organization_id)
    request._membership = membership  # type: ignore[attr-defined]
    request._memberships, request._blocked_memberships = [membership], []  # type: ignore[attr-defined]


def _is_for_other_organization(request: HttpRequest, member: Membership) -> bool:
    """Whether the request comes from a page of another organization, or from no known page."""
    is_safe = request.method in _SAFE_METHODS
    page_organizations = {
        request.headers.get(PAGE_ORGANIZATION_HEADER),
        None if is_safe else request.POST.get(PAGE_ORGANIZATION_FIELD),
    } - {None}
    if not page_organizations and not is_safe:
        return len(list_memberships(request)) > 1
    return bool(page_organizations - {str(member.organization_id)})


def _refuse_other_organization(request: HttpRequest, member: Membership) -> HttpResponseBase:
    page_organization = request.headers.get(
        PAGE_ORGANIZATION_HEADER, request.POST.get(PAGE_ORGANIZATION_FIELD)
    )
    page_memberships = (
        other
        for other in list_memberships(request)
        if str(other.organization_id) == page_organization and other != member
    )
    context = {"page_membership": next(page_memberships, None)}
    return render(request, "accounts/other_organization.html", context, status=409)


def public_view(reason: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        view.policy = f"public: {reason}"  # type: ignore[attr-defined]
        return view

    return decorate


def redirect_to_sign_in(request: HttpRequest) -> HttpResponseRedirect:
    if request.method in {"GET", "HEAD"}:
        return redirect_to_login(request.get_full_path())
    # A POST cannot be repeated after sign-in: return to the page of its form.
    page = _find_form_page(request)
    if urlsplit(page).path == reverse(links.SIGN_IN):
        return HttpResponseRedirect(reverse(links.SIGN_IN))
    return redirect_to_login(page)


def _find_form_page(request: HttpRequest) -> str:
    for header in ("HX-Current-URL", "Referer"):
        address = request.headers.get(header, "")
        is_same_site = url_has_allowed_host_and_scheme(
            address, {request.get_host()}, require_https=request.is_secure()
        )
        page = urlsplit(address if is_same_site else "")
        if page.path:
            return f"{page.path}?{page.query}" if page.query else page.path
    return request.get_full_path() if _has_page(request) else reverse(links.HOME)


def _has_page(request: HttpRequest) -> bool:
    """Whether the address of a form also answers GET, as a page for signed-in people does."""
    match = request.resolver_match
    if match is None or getattr(match.func, "policy", "public").startswith("public"):
        return False
    visit = copy(request)
    visit.method, visit.user = "GET", AnonymousUser()
    response: HttpResponseBase = match.func(visit, *match.args, **match.kwargs)
    return response.status_code != HTTPStatus.METHOD_NOT_ALLOWED


def _build_member_view(view: View, *, admin: bool) -> View:
    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_sign_in(request)
        member = get_membership(request)
        if member is None:
            context = {
                "former": _find_former_organization(request.user),
                "blocked": list_blocked_organizations(request),
            }
            return render(request, "accounts/no_organization.html", context, status=403)
        if _is_for_other_organization(request, member):
            return _refuse_other_organization(request, member)
        if admin and not member.is_admin:
            context = {"admin_names": name_admins(member.organization_id)}
            return render(request, "403.html", context, status=HTTPStatus.FORBIDDEN)
        request.membership = member  # type: ignore[attr-defined]
        if not getattr(view, "is_poll", False):
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


def poll_view(view: View) -> View:
    """Mark what an open page asks for by itself: it is no sign that anybody uses the portal."""
    view.is_poll = True  # type: ignore[attr-defined]
    return view


def member_only(view: View) -> View:
    """Require a membership and set `request.membership`."""
    return _build_member_view(view, admin=False)


def admin_only(view: View) -> View:
    """Require an organization admin; other members get 403."""
    return _build_member_view(view, admin=True)
