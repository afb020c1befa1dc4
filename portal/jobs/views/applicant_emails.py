"""Emails about new applicants: who gets which, and how to turn them off."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only, public_view
from portal.core.tenancy.scope import enter_organization
from portal.entitlements.rules import visible_jobs
from portal.jobs.applicant_emails import subscriptions
from portal.jobs.forms import SubscriptionForm, TimeZoneForm
from portal.jobs.models import ApplicantSubscription, SavedView
from portal.sync.models import Job


@require_safe
@member_only
def list_subscriptions(request: MemberRequest) -> HttpResponse:
    return _render_subscriptions(request, None)


@require_POST
@member_only
def set_time_zone(request: MemberRequest) -> HttpResponse:
    user = request.membership.user
    form = TimeZoneForm(request.POST, current=subscriptions.get_time_zone(user))
    if not form.is_valid():
        return _render_subscriptions(request, form)
    subscriptions.save_time_zone(user, form.cleaned_data["time_zone"])
    messages.success(request, "Saved.")
    return redirect("jobs:applicant_emails")


def _render_subscriptions(request: MemberRequest, form: TimeZoneForm | None) -> HttpResponse:
    member = request.membership
    visible = visible_jobs(member, closed=True)
    rows = ApplicantSubscription.objects.filter(membership=member).select_related("view", "job")
    current_zone = subscriptions.get_time_zone(member.user)
    context = {
        "subscriptions": rows,
        # A requisition that the member can no longer see keeps its row, without its title.
        "visible_ids": set(
            visible.filter(pk__in=[row.job_id for row in rows]).values_list("pk", flat=True)
        ),
        "form": form or TimeZoneForm(None, current=current_zone),
    }
    return render(
        request, "jobs/applicant_emails.html", context, status=422 if form is not None else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def subscribe_to_job(request: MemberRequest, job_pk: int) -> HttpResponse:
    job = get_object_or_404(visible_jobs(request.membership, closed=True), pk=job_pk)
    return _edit_subscription(request, job, f"{job.name}")


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def subscribe_to_view(request: MemberRequest, pk: int) -> HttpResponse:
    own_views = SavedView.objects.filter(membership=request.membership, job=None)
    view = get_object_or_404(own_views, pk=pk)
    return _edit_subscription(request, view, view.name)


def _edit_subscription(request: MemberRequest, subject: Job | SavedView, name: str) -> HttpResponse:
    member = request.membership
    subscription = subscriptions.find_subscription(member, subject)
    frequency = subscription.frequency if subscription else ApplicantSubscription.Frequency.DAILY
    form = SubscriptionForm(request.POST or None, initial={"frequency": frequency})
    if request.method == "POST" and form.is_valid():
        subscriptions.suggest_time_zone(member.user, form.cleaned_data["zone"])
        try:
            subscriptions.set_frequency(member, subject, form.cleaned_data["frequency"])
        except subscriptions.SubscriptionLimitReached as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _describe_change(name, form.cleaned_data["frequency"]))
            return redirect("jobs:applicant_emails")
    context = {
        "form": form,
        "name": name,
        "is_view": isinstance(subject, SavedView),
        "time_zone": subscriptions.get_time_zone(member.user),
    }
    status = 422 if form.errors else 200
    return render(request, "jobs/subscribe.html", context, status=status)


def _describe_change(name: str, frequency: str) -> str:
    return f"Emails about “{name}” are {'on' if frequency else 'off'}."


@require_POST
@member_only
def delete_subscription(request: MemberRequest, pk: int) -> HttpResponse:
    own_rows = ApplicantSubscription.objects.filter(membership=request.membership)
    get_object_or_404(own_rows, pk=pk).delete()
    messages.success(request, "Emails turned off.")
    return redirect("jobs:applicant_emails")


# Mail programs post here by themselves when their own Unsubscribe button is clicked (RFC 8058).
@csrf_exempt
@public_view("whoever has the email holds its signed link; shows the organization's name")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    member = subscriptions.find_unsubscribing_member(token)
    is_off = False
    if member is not None:
        enter_organization(member.organization_id)
        if request.method == "POST":
            subscriptions.delete_subscriptions(member)
            is_off = True
    context = {"organization_name": member.organization.name if member else "", "is_off": is_off}
    status = 200 if member else 404
    return render(request, "jobs/unsubscribe.html", context, status=status)
