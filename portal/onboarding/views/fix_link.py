"""The link for who manages Greenhouse and has no account here: made by an admin, open to all."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, admin_only, public
from portal.audit.noted import noted
from portal.connections import fix_links, verify
from portal.connections.models import (
    CheckRun,
    Connection,
    Credential,
    FixLink,
    PermissionCheck,
)
from portal.connections.standing import connection_of
from portal.core.htmx import page_or_part
from portal.onboarding import journey
from portal.onboarding.lines import Line, boxes, lines


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@never_cache
def fix_links_page(request: MemberRequest) -> HttpResponse:
    """The open links. POST makes one; its address is shown this once."""
    connection = connection_of(request.membership.organization_id)
    used = connection.credential
    if used is None:
        return redirect("onboarding:credential")
    check = used.checks.filter(status=CheckRun.Status.DONE).first()
    missing = [line for line in lines(used, check) if line.is_missing]
    needed = [line for line in missing if not line.is_optional]
    address = ""
    if request.method == "POST" and missing:
        wanted = missing if "optional" in request.POST else needed or missing
        address = _make(request, connection, wanted)
    context = {
        "address": address,
        "links": fix_links.still_open(connection).select_related("made_by"),
        "missing": missing,
        "optional": len(missing) - len(needed),
        "needed": len(needed),
        "place": used.place,
    }
    return render(request, "onboarding/fix_links.html", context)


def _make(request: MemberRequest, connection: Connection, wanted: list[Line]) -> str:
    """A new link's address; "" when enough are open."""
    try:
        link, token = fix_links.make(
            connection, [line.permission.key for line in wanted], by=request.membership.user
        )
    except fix_links.Enough as enough:
        messages.warning(request, enough.sentence)
        return ""
    noted(request, "fix_link.made", "made a link for who manages Greenhouse", subject=link)
    return request.build_absolute_uri(reverse("onboarding:fix", args=[token]))


@require_POST
@admin_only
def revoke(request: MemberRequest, pk: int) -> HttpResponse:
    """Take a link back."""
    organization = request.membership.organization_id
    link = get_object_or_404(FixLink, pk=pk, connection__organization=organization)
    if fix_links.revoke(link):
        noted(request, "fix_link.revoked", "took a link back", subject=link)
        messages.success(request, "The link no longer works.")
    return redirect("onboarding:fix_links")


@public(
    "whoever holds the link was sent it by an admin; it shows tick boxes and what they are for only"
)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def fix(request: HttpRequest, token: str) -> HttpResponse:
    """What is still to be ticked, until all of it is. POST tests it again, so often and no
    faster.
    """
    link = fix_links.find(token)
    used = link.connection.credential if link else None
    if link is None or used is None or not link.opens:
        return render(request, "onboarding/fix_ended.html", status=410)
    fix_links.opened(link)
    if request.method == "POST" and link.is_open:
        _test(request, link)
        if not request.htmx:  # type: ignore[attr-defined]
            return redirect("onboarding:fix", token=token)
    check = used.checks.first()
    asked = link.permissions if link.is_open else ()  # once done, what is so later is not theirs
    shown = [line for line in lines(used, check) if line.permission.key in asked]
    known = _last_results(used)
    context = {
        "link": link,
        "organization_name": link.connection.organization.name,
        "boxes": boxes(shown, known),
        "place": used.place,
        "check": check,
        "watching": link.is_open and link.tests < fix_links.MOST_TESTS - 40,
    }
    return page_or_part(request, "onboarding/fix.html", "boxes", context)


def _test(request: HttpRequest, link: FixLink) -> None:
    try:
        fix_links.count_test(link)
        journey.request_check(link.connection, by=None, only=link.permissions)
    except fix_links.Enough as enough:
        if "watching" not in request.POST:
            messages.info(request, enough.sentence)
    except verify.NothingToCheck:
        pass


def _last_results(used: Credential) -> dict[str, PermissionCheck]:
    done = used.checks.filter(status=CheckRun.Status.DONE).first()
    return {result.permission: result for result in done.results.all()} if done else {}
