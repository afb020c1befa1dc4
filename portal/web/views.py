from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from portal.accounts.access import get_membership, public_view, redirect_to_sign_in
from portal.core import links


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
    return redirect(links.JOB_LIST)
