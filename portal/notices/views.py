"""How the reader wants to be told."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from portal.accounts.access import signed_in_only
from portal.accounts.models import User
from portal.notices.forms import PreferenceForm
from portal.notices.models import Preference


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in_only
def preferences(request: HttpRequest) -> HttpResponse:
    """The reader's own preferences; nobody else's."""
    kept = Preference.objects.filter(person_id=request.user.pk).first()
    form = PreferenceForm(
        request.POST or None, instance=kept or Preference(person=cast(User, request.user))
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your choice is saved.")
        return redirect("notices:preferences")
    status = 422 if form.errors else 200
    context = {"form": form, "kept": kept}
    return render(request, "notices/preferences.html", context, status=status)
