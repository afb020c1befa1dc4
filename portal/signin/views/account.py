from __future__ import annotations

from typing import cast

from allauth.account.views import LoginView, LogoutView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import public_view, signed_in_only
from portal.accounts.models import User
from portal.signin import email_confirmation
from portal.signin.forms import EmailForm
from portal.signin.models import find_single_sign_on
from portal.signin.session_store import SessionStore

sign_in = public_view("nobody is signed in yet")(
    LoginView.as_view(template_name="signin/sign_in.html")
)
sign_out = public_view("ends the reader's own session, whoever they are")(LogoutView.as_view())


@require_safe
@public_view(
    "nobody is signed in yet; tells no more than whether a domain has its own sign-in service"
)
def start_single_sign_on(request: HttpRequest) -> HttpResponse:
    """Link to the provider rather than redirect: CSP's form-action blocks other hosts."""
    form = EmailForm(request.GET if "login" in request.GET else None)
    sign_on = find_single_sign_on(form.cleaned_data["login"]) if form.is_valid() else None
    if form.is_valid() and sign_on is None:
        form.add_error(
            "login", "Single sign-on isn't set up for this address. Sign in with your password."
        )
    sign_in_url = ""
    if sign_on is not None:
        sign_in_url = reverse("openid_connect_login", kwargs={"provider_id": sign_on.provider_id})
        if next_url := request.GET.get("next"):
            sign_in_url += "?" + urlencode({"next": next_url})  # allauth validates it
    context = {"form": form, "sign_on": sign_on, "start": sign_in_url}
    status = 422 if form.errors else 200
    return render(request, "signin/single_sign_on.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in_only
def show_session_time(request: HttpRequest) -> JsonResponse:
    """How many seconds the session lasts; POST prolongs it."""
    if request.method == "POST":
        request.session.modified = True
    return JsonResponse({"seconds": cast(SessionStore, request.session).seconds_left})


@public_view("asks for sign-in itself; shows the reader's own address alone")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def email_page(request: HttpRequest) -> HttpResponse:
    # Read-only: confirming a colleague's address would match the user as that colleague in
    # Greenhouse. Customer success changes addresses.
    user = cast(User, request.user)
    if request.method == "POST":
        if user.email_confirmed_at is None:
            email_confirmation.send_confirmation(request, user)
            messages.success(request, f"Confirmation email sent to {user.email}.")
        return redirect("account_email")
    return render(request, "signin/email.html")
