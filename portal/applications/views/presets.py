"""The page of rejection presets, and reading a rejection email before it is sent."""

from __future__ import annotations

from datetime import time

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.action_context import ActionContext
from portal.applications.forms.presets import PresetForm
from portal.applications.forms.reject import LATER, filter_rejection_templates
from portal.applications.models import RejectionPreset
from portal.applications.page.email_preview import build_email_preview, estimate_send_time
from portal.applications.pending.plans import RejectionPlan, estimate_plan
from portal.applications.review import presets
from portal.audit.member_actions import record_member_action
from portal.entitlements.rules import Rights, get_rights
from portal.jobs.answers.promise import get_promise
from portal.web.htmx import render_page_or_partial
from portal.web.id_parsing import parse_id

MAX_PREVIEWS = 50


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def list_presets(request: MemberRequest) -> HttpResponse:
    """Own and shared presets; a POST adds one."""
    rights = get_rights(request.membership)
    form = PresetForm(request.POST or None, rights=rights)
    if request.method == "POST" and form.is_valid() and form.save_on_free_digit():
        preset = form.instance
        record_member_action(
            request,
            "rejection_presets.added",
            f"added the rejection preset {preset.name}",
            after=presets.record_values(preset),
        )
        messages.success(request, f"“{preset.name}” added. Press {preset.digit} in a review.")
        return redirect("applications:presets")
    return _render_presets(request, rights, form)


def _render_presets(request: MemberRequest, rights: Rights, form: PresetForm) -> HttpResponse:
    rows = list(presets.filter_presets(request.membership))
    context = {
        "own": [row for row in rows if row.membership_id is not None],
        "shared": [row for row in rows if row.membership_id is None],
        "form": form,
        "edited": form.instance if form.instance.pk else None,
    }
    status = 422 if form.errors else 200
    return render(request, "applications/presets.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@member_only
def edit_preset(request: MemberRequest, pk: int) -> HttpResponse:
    rights = get_rights(request.membership)
    preset = _get_editable_or_404(request, pk)
    before = presets.record_values(preset)
    form = PresetForm(request.POST or None, instance=preset, rights=rights)
    if request.method == "POST" and form.is_valid() and form.save_on_free_digit():
        record_member_action(
            request,
            "rejection_presets.changed",
            f"changed the rejection preset {preset.name}",
            before=before,
            after=presets.record_values(preset),
        )
        messages.success(request, "Saved.")
        return redirect("applications:presets")
    return _render_presets(request, rights, form)


@require_POST
@member_only
def delete_preset(request: MemberRequest, pk: int) -> HttpResponse:
    preset = _get_editable_or_404(request, pk)
    before = presets.record_values(preset)
    preset.delete()
    record_member_action(
        request,
        "rejection_presets.removed",
        f"removed the rejection preset {before['name']}",
        before=before,
    )
    messages.success(request, f"“{before['name']}” removed.")
    return redirect("applications:presets")


def _get_editable_or_404(request: MemberRequest, pk: int) -> RejectionPreset:
    return get_object_or_404(presets.filter_editable_presets(request.membership), pk=pk)


@require_safe
@member_only
def preview_emails(request: MemberRequest) -> HttpResponse:
    """The text of the chosen rejection email, or of all."""
    rights = get_rights(request.membership)
    connection = rights.match.connection
    if not rights.can_view or connection is None:
        raise Http404
    templates = filter_rejection_templates(connection.pk)
    if rights.why_unavailable("rejection_mail"):
        templates = templates.none()
    if "template" in request.GET:
        templates = templates.filter(pk=parse_id(request.GET["template"]) or 0)
    action_context = ActionContext(request.membership, 0, rights)
    minutes = parse_id(request.GET.get("mail_after", ""))
    is_delay = minutes in RejectionPreset.EmailDelay.values
    send_at = estimate_send_time(minutes, action_context) if minutes and is_delay else None
    plan = _read_shown_plan(request)
    context = {
        "previews": [
            build_email_preview(
                template,
                action_context,
                plan.send_at if plan is not None else send_at,
                plan.local_text if plan is not None else "",
            )
            for template in templates.order_by("name")[:MAX_PREVIEWS]
        ],
        "undo_seconds": action_context.reject_undo_seconds,
    }
    return render_page_or_partial(
        request, "applications/rejection_emails.html", "previews", context
    )


def _read_shown_plan(request: MemberRequest) -> RejectionPlan | None:
    """When a rejection that waits for its email would be sent; only of a form for one candidate."""
    query, zone = request.GET, request.GET.get("plan_zone", "")
    days = parse_id(query.get("delay_days", ""))
    is_later = query.get("mail_after", LATER) == LATER
    if not is_later or not zone or days is None or days > RejectionPreset.MAX_DELAY_DAYS:
        return None
    try:
        at = time.fromisoformat(query.get("send_time", ""))
    except ValueError:
        return None
    promise = get_promise(request.membership.organization_id)
    return estimate_plan(days, at, zone, promise)
