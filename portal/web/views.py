from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal.accounts.access import get_membership, public_view
from portal.core import links


@public_view("leads on to where the reader belongs, or to the sign-in page")
def redirect_home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect(links.SIGN_IN)
    membership = get_membership(request)
    if membership is None and request.user.is_staff:
        return redirect(links.ADMIN_HOME)
    return redirect(links.JOB_LIST)
