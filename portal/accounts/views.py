"""Coming in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal.accounts.access import membership_of, public


@public("leads on to where the reader belongs, or to the sign-in page")
def home(request: HttpRequest) -> HttpResponse:
    """Recruiters to requisitions, staff without an organization to their desk."""
    if not request.user.is_authenticated:
        return redirect("account_login")
    member = membership_of(request)
    if member is None and request.user.is_staff:
        return redirect("admin:index")
    return redirect("jobs:list")
