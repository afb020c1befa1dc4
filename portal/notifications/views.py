from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import public_view, signed_in_only
from portal.accounts.models import User
from portal.core.tenancy.scope import all_organizations
from portal.notifications import returned_emails
from portal.notifications.forms import PreferenceForm
from portal.notifications.models import Notification, OutgoingEmail, Preference
from portal.notifications.recent_emails import list_recent_emails
from portal.web.htmx import render_page_or_partial

_UNFINISHED = {OutgoingEmail.Status.QUEUED, OutgoingEmail.Status.SENDING}


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in_only
@all_organizations("notifications are the person's, who may be staff")
def edit_preferences(request: HttpRequest) -> HttpResponse:
    preference = Preference.objects.filter(user=cast(User, request.user)).first()
    form = PreferenceForm(
        request.POST or None, instance=preference or Preference(user=cast(User, request.user))
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("notifications:preferences")
    status = 422 if form.errors else 200
    notifications = Notification.objects.filter(recipient=cast(User, request.user))
    context = {"form": form, "preference": preference, "notifications": notifications[:10]}
    return render(request, "notifications/preferences.html", context, status=status)


@require_safe
@never_cache
@public_view("a password reset is asked for signed out; shows no address, and this session's alone")
def show_delivery_of_recent_emails(request: HttpRequest) -> HttpResponse:
    emails = list_recent_emails(request)
    context = {
        "emails": emails,
        "is_unfinished": any(email.status in _UNFINISHED for email in emails),
    }
    return render_page_or_partial(
        request, "notifications/recent_emails.html", "recent-emails", context
    )


@csrf_exempt
@require_http_methods(["HEAD", "POST"])
@public_view("the email provider tells here what came back, with EMAIL_WEBHOOK_SECRET")
def receive_email_events(request: HttpRequest) -> HttpResponseBase:
    if not returned_emails.accepts_events():
        raise Http404
    return returned_emails.receive_events(request)
