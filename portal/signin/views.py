"""Coming in."""

from __future__ import annotations

from typing import cast

from allauth.account.views import LoginView, LogoutView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import public
from portal.accounts.models import User
from portal.signin import addresses
from portal.signin.forms import AddressForm
from portal.signin.models import sign_on_for

sign_in = public("nobody is signed in yet")(LoginView.as_view(template_name="signin/sign_in.html"))
sign_out = public("ends the reader's own session, whoever they are")(LogoutView.as_view())


@require_safe
@public("nobody is signed in yet; tells no more than whether a domain has its own sign-in service")
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """Ask for the address, then lead on to the organization's own sign-in service.

    A page with a link leads there instead of a redirect: our Content-Security-Policy lets no form
    of ours end at another host.
    """
    form = AddressForm(request.GET if "login" in request.GET else None)
    found = sign_on_for(form.cleaned_data["login"]) if form.is_valid() else None
    if form.is_valid() and found is None:
        form.add_error(
            "login", "This address has no single sign-on here. Sign in with your password."
        )
    start = ""
    if found is not None:
        start = reverse("openid_connect_login", kwargs={"provider_id": found.provider_id})
        if following := request.GET.get("next"):
            start += "?" + urlencode({"next": following})  # allauth looks whether it is ours
    context = {"form": form, "sign_on": found, "start": start}
    status = 422 if form.errors else 200
    return render(request, "signin/single_sign_on.html", context, status=status)


@public("asks for sign-in itself; shows the reader's own address alone")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def address(request: HttpRequest) -> HttpResponse:
    """The reader's address; POST sends the mail that confirms it.

    Nobody changes their own: whoever could have a colleague confirm a second address would be
    matched as that colleague in Greenhouse. Customer success changes it.
    """
    user = cast(User, request.user)
    if request.method == "POST":
        if user.email_confirmed_at is None:
            addresses.ask(request, user)
            messages.success(request, f"A mail is on its way to {user.email}.")
        return redirect("account_email")
    return render(request, "signin/address.html")
