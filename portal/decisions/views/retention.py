"""How long decision records are kept, for the organization's admins."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from portal.accounts.access import MemberRequest, admin_only
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.decisions import retention
from portal.decisions.forms import RetentionForm


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@audited_action
def edit_retention(request: MemberRequest) -> HttpResponse:
    organization = request.membership.organization
    years = retention.get_years(organization)
    form = RetentionForm(request.POST or None, years=years)
    if request.method == "POST" and form.is_valid():
        if form.chosen_years != years:
            retention.set_years(organization, form.chosen_years)
            record_member_action(
                request,
                "decision_record.retention_changed",
                "changed how long decision records are kept",
                before={"years": years},
                after={"years": form.chosen_years},
            )
        messages.success(request, "Saved.")
        return redirect("decisions:retention")
    context = {"form": form, "years": years}
    status = 422 if form.errors else 200
    return render(request, "decisions/retention.html", context, status=status)
