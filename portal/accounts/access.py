"""Who may open a view. Every view of ours carries one of these; a test walks the URLs for it."""

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

from portal.accounts.models import Membership

View = Callable[..., HttpResponseBase]

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails


class MemberRequest(HttpRequest):
    """A request of somebody who belongs to an organization."""

    membership: Membership
    htmx: HtmxDetails


def membership_of(request: HttpRequest) -> Membership | None:
    """The reader's place in their organization, read once per request."""
    if not hasattr(request, "_membership"):
        user = getattr(request, "user", None)
        found = None
        if user is not None and user.is_authenticated:
            mine = Membership.objects.filter(user=user).select_related("organization")
            found = mine.order_by("id").first()
            if found is not None:
                found.user = user  # read already, by the session
        request._membership = found  # type: ignore[attr-defined]
    return cast("Membership | None", request._membership)  # type: ignore[attr-defined]


def stand_in(request: HttpRequest, membership: Membership) -> None:
    """Have `membership_of` answer with somebody else's place: for `support.looking` alone."""
    request._membership = membership  # type: ignore[attr-defined]


def public(why: str) -> Callable[[View], View]:
    """Anybody may open this. `why` says what makes that right."""

    def mark(view: View) -> View:
        view.policy = f"public: {why}"  # type: ignore[attr-defined]
        return view

    return mark


def _to_sign_in(request: HttpRequest) -> HttpResponseRedirect:
    """Sign in, and come back to this page; or, since a click cannot be made again by coming back,
    to the page it was made on.
    """
    if request.method in {"GET", "HEAD"}:
        return redirect_to_login(request.get_full_path())
    came = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(
        came, {request.get_host()}, require_https=request.is_secure()
    )
    page = urlsplit(came if ours else "")
    query = f"?{page.query}" if page.query else ""
    return redirect_to_login(f"{page.path}{query}" if page.path else reverse("home"))


def _member_view(view: View, *, admin: bool) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        member = membership_of(request)
        if member is None:
            ended = Membership._base_manager.filter(user=request.user).exclude(ended_at=None)
            names = ended.order_by("ended_at").values_list("organization__name", flat=True)
            context = {"former": names.last()}
            return render(request, "accounts/no_organization.html", context, status=403)
        if admin and not member.is_admin:
            raise PermissionDenied
        request.membership = member  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    guarded.policy = "admin" if admin else "member"  # type: ignore[attr-defined]
    return guarded


def signed_in_only(view: View) -> View:
    """For everybody who has signed in, our own staff too; shows what is the reader's own."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        return view(request, *args, **kwargs)

    guarded.policy = "signed in"  # type: ignore[attr-defined]
    return guarded


def member_only(view: View) -> View:
    """For people of an organization; the view finds `request.membership`."""
    return _member_view(view, admin=False)


def admin_only(view: View) -> View:
    """For an organization's admins; everybody else in it gets a 403."""
    return _member_view(view, admin=True)
