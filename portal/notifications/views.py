from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from portal.accounts.access import signed_in_only
from portal.accounts.models import User
from portal.notifications.forms import PreferenceForm
from portal.notifications.models import Preference


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in_only
def edit_preferences(request: HttpRequest) -> HttpResponse:
    preference = Preference.objects.filter(user=cast(User, request.user)).first()
    form = PreferenceForm(
        request.POST or None, instance=preference or Preference(user=cast(User, request.user))
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your choice is saved.")
        return redirect("notifications:preferences")
    status = 422 if form.errors else 200
    context = {"form": form, "preference": preference}
    return render(request, "notifications/preferences.html", context, status=status)
