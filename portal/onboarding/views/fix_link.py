from __future__ import annotations

from itertools import groupby

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from integrations.ats.permissions import ProbeOutcome
from portal.accounts.access import MemberRequest, admin_only, public_view
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.models import (
    CheckRun,
    Connection,
    Credential,
    FixLink,
    PermissionCheck,
)
from portal.connections.permissions import check_runs, fix_link_email, fix_links
from portal.core.tenancy.scope import enter_organization
from portal.onboarding import setup_flow
from portal.onboarding.forms import FixLinkRecipientForm
from portal.onboarding.permission_checklist import (
    Checkbox,
    PermissionItem,
    build_checklist,
    group_by_checkbox,
)
from portal.web.htmx import render_page_or_partial


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@never_cache
@audited_action
def fix_links_page(request: MemberRequest) -> HttpResponse:
    """Open links. POST creates one, and emails it or shows its URL once."""
    connection = get_connection(request.membership.organization_id)
    credential = connection.credential
    if credential is None:
        return redirect("onboarding:credential")
    check = credential.checks.filter(status=CheckRun.Status.DONE).first()
    missing = [item for item in build_checklist(credential, check) if item.is_missing]
    needed = [item for item in missing if not item.is_optional]
    address = ""
    form = FixLinkRecipientForm(request.POST if "send" in request.POST else None)
    is_valid = request.method == "POST" and (not form.is_bound or form.is_valid())
    if is_valid and missing:
        requested = missing if "optional" in request.POST else needed or missing
        send_to = form.cleaned_data["email"] if form.is_bound else ""
        address = _create_link(request, connection, requested, send_to=send_to)
        if send_to and address:
            messages.success(request, f"Link emailed to {send_to}.")
            return redirect("onboarding:fix_links")
    context = {
        "form": form,
        "email": _preview_email(request, credential, needed or missing, address),
        "address": address,
        "links": fix_links.list_open_links(connection).select_related("created_by"),
        "missing": missing,
        "optional": len(missing) - len(needed),
        "needed": len(needed),
        "place": credential.place,
    }
    status = 422 if form.errors else 200
    return render(request, "onboarding/fix_links.html", context, status=status)


def _preview_email(
    request: MemberRequest, credential: Credential, items: list[PermissionItem], address: str
) -> fix_link_email.FixLinkEmail | None:
    if not items:
        return None
    return fix_link_email.compose_email(
        credential,
        [item.permission.key for item in items],
        address=address or "(link)",
        until=timezone.now() + fix_links.LINK_LIFETIME,
        by=request.membership.user,
    )


def _create_link(
    request: MemberRequest, connection: Connection, requested: list[PermissionItem], *, send_to: str
) -> str:
    try:
        link, token = fix_links.create_link(
            connection,
            [item.permission.key for item in requested],
            by=request.membership.user,
            send_to=send_to,
        )
    except fix_links.LimitReached as error:
        messages.warning(request, error.sentence)
        return ""
    record_member_action(request, "fix_link.created", "created a fix link", subject=link)
    return request.build_absolute_uri(reverse("onboarding:fix", args=[token]))


@require_POST
@admin_only
@audited_action
def revoke_fix_link(request: MemberRequest, pk: int) -> HttpResponse:
    organization = request.membership.organization_id
    link = get_object_or_404(FixLink, pk=pk, connection__organization=organization)
    if fix_links.revoke_link(link):
        record_member_action(request, "fix_link.revoked", "revoked a fix link", subject=link)
        messages.success(request, "Link revoked.")
    return redirect("onboarding:fix_links")


@public_view(
    "whoever holds the link was sent it by an admin; it shows permissions, what they are for, and "
    "that admin's name"
)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def public_fix_page(request: HttpRequest, token: str) -> HttpResponse:
    """What is still missing. POST tests it again, rate limited."""
    link = fix_links.find_link(token)
    if link is not None:
        enter_organization(link.connection.organization_id)
    credential = link.connection.credential if link else None
    if link is None or credential is None or not link.is_viewable:
        contacts = fix_links.list_contacts(link) if link else []
        return render(request, "onboarding/fix_link_ended.html", {"contacts": contacts}, status=410)
    fix_links.mark_opened(link)
    if request.method == "POST" and link.is_open:
        _test_link(request, link)
        if not request.htmx:  # type: ignore[attr-defined]
            return redirect("onboarding:fix", token=token)
    check = credential.checks.first()
    permission_keys = link.permissions if link.is_open else ()  # nothing more once completed
    items = [
        item
        for item in build_checklist(credential, check)
        if item.permission.key in permission_keys
    ]
    previous_results = _load_last_results(credential)
    checkboxes = group_by_checkbox(items, previous_results)
    context = {
        "link": link,
        "by_scope": credential.by_scope,
        "contacts": fix_links.list_contacts(link),
        "organization_name": link.connection.organization.name,
        "checkboxes": checkboxes,
        "sections": _build_sections(credential, checkboxes),
        "to_select": _list_to_select(credential, checkboxes),
        "granted": sum(checkbox.state == ProbeOutcome.GRANTED for checkbox in checkboxes),
        "place": credential.place,
        "check": check,
        "polls": link.is_open and link.test_count < fix_links.MAX_TESTS - 40,
    }
    return render_page_or_partial(request, "onboarding/fix_link.html", "permissions", context)


def _build_sections(
    credential: Credential, checkboxes: list[Checkbox]
) -> list[tuple[str, list[Checkbox]]]:
    """Cards as Greenhouse's screen has them: one list of scopes, or groups of checkboxes."""
    if credential.by_scope:
        return [("Scopes", sorted(checkboxes, key=lambda box: box.label))] if checkboxes else []
    return [(group, list(boxes)) for group, boxes in groupby(checkboxes, lambda box: box.group)]


def _list_to_select(credential: Credential, checkboxes: list[Checkbox]) -> str:
    """A line per checkbox that is not granted, to copy."""
    open_boxes = [box for box in checkboxes if box.state != ProbeOutcome.GRANTED]
    names = credential.list_checkboxes(item.permission for box in open_boxes for item in box.items)
    return "\n".join(sorted(names) if credential.by_scope else names)


def _test_link(request: HttpRequest, link: FixLink) -> None:
    is_automatic = "polling" in request.POST
    try:
        if is_automatic:
            fix_links.request_automatic_test(link)
        else:
            fix_links.count_test(link)
            setup_flow.request_check(link.connection, by=None, only=link.permissions)
        link.refresh_from_db(fields=["test_count", "last_tested_at"])
    except fix_links.LimitReached as error:
        if not is_automatic:
            messages.info(request, error.sentence)
    except check_runs.NoCredentialToCheck:
        pass


def _load_last_results(credential: Credential) -> dict[str, PermissionCheck]:
    check = credential.checks.filter(status=CheckRun.Status.DONE).first()
    return {result.permission: result for result in check.results.all()} if check else {}
