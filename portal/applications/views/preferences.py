"""How a person wants to work with applications: the undo period, compact rows."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.undo_period import get_action_preferences
from portal.applications.forms.preferences import ActionPreferencesForm, ReviewPreferencesForm
from portal.applications.models import ActionPreferences
from portal.applications.page.filters import get_list_params
from portal.applications.review.sessions import get_review_preferences
from portal.entitlements.rules import visible_jobs


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def edit_preferences(request: MemberRequest) -> HttpResponse:
    form = ActionPreferencesForm(
        request.POST or None, instance=get_action_preferences(request.membership)
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("applications:preferences")
    status = 422 if form.errors else 200
    review_preferences = get_review_preferences(request.membership)
    context = {
        "form": form,
        "review_form": ReviewPreferencesForm(instance=review_preferences),
    }
    return render(request, "applications/preferences.html", context, status=status)


@require_POST
@member_only
def switch_row_density(request: MemberRequest, job_pk: int) -> HttpResponse:
    """Compact or comfortable rows, on every requisition of this person."""
    job = get_object_or_404(visible_jobs(request.membership), pk=job_pk)
    ActionPreferences.objects.update_or_create(
        membership=request.membership, defaults={"compact_rows": "compact" in request.POST}
    )
    list_params = get_list_params(QueryDict(request.POST.get("list_query", "")))
    query = f"?{urlencode(list_params)}" if list_params else ""
    return redirect(f"{reverse('applications:job_detail', args=[job.pk])}{query}")
