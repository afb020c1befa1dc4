"""The rehearsal: who matches whom, what each will see, and inviting who is not here yet."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, admin_only
from portal.accounts.models import Membership
from portal.audit.noted import noted
from portal.connections.models import Connection, Credential
from portal.connections.standing import connection_of
from portal.core.htmx import page_or_part, summary
from portal.core.keys import as_key
from portal.entitlements.people import Standing
from portal.members import invite
from portal.members.models import Invitation
from portal.mirror.models import AtsUser, SyncStep
from portal.onboarding import journey, rehearsal

A_PAGE = 50
# The steps of a sync that the rehearsal stands on; they are the first ones.
NEEDED = ("users", "jobs", "grants")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def people(request: MemberRequest) -> HttpResponse:
    """The table. POST goes on to the first sync."""
    connection = connection_of(request.membership.organization_id)
    used, now = connection.credential, journey.current(connection)
    if used is None or now in journey.BEFORE_PEOPLE:
        return redirect(f"onboarding:{now}")
    if request.method == "POST":
        Connection.objects.filter(pk=connection.pk).update(people_seen_at=timezone.now())
        return redirect("onboarding:sync")
    members = connection.organization.memberships.select_related("user").order_by(
        "user__name", "user__email", "pk"
    )
    page = Paginator(members, A_PAGE).get_page(request.GET.get("page"))
    waiting = _still_reading(connection)
    rows = rehearsal.rows(connection, list(page))
    context = {
        "steps": journey.path(connection, here="people"),
        "rows": rows,
        "page": page,
        "summary": summary(page),
        "waiting": waiting,
        "paused": connection.state == Connection.State.PAUSED,
        "unmatched": sum(row.standing != Standing.MATCHED for row in rows),
        "reader": _reader(connection, used),
        "used": used,
    } | ({} if waiting else _to_invite(request, connection))
    return page_or_part(request, "onboarding/people.html", "people", context)


def _still_reading(connection: Connection) -> bool:
    """Whether an open sync has yet to read what the table needs."""
    run = connection.syncs.first()
    if run is None or not run.is_open:
        return False
    return run.steps.filter(kind__in=NEEDED, status__in=SyncStep.OPEN).exists()


def _to_invite(request: MemberRequest, connection: Connection) -> dict[str, Any]:
    """A page of those who may be invited, all of them or those that were searched for."""
    words = request.GET.get("find", "")[:100].strip()
    others = Paginator(rehearsal.not_here(connection, words), A_PAGE).get_page(
        request.GET.get("others")
    )
    emails = [user.primary_email for user in others]
    waiting = Invitation.objects.filter(
        organization=connection.organization,
        email__in=emails,
        accepted_at=None,
        revoked_at=None,
        expires_at__gt=timezone.now(),
    )
    return {
        "find": words,
        "others": others,
        "others_summary": summary(others),
        "invited": set(waiting.values_list("email", flat=True)),
    }


def _reader(connection: Connection, used: Credential) -> str:
    """Who reads Greenhouse for everybody."""
    if used.kind == "harvest_key":
        return "The API key itself. It is nobody in Greenhouse and sees what is ticked for it."
    if used.is_consent:
        return "Whoever agreed in Greenhouse, or the service account that was made for it there."
    if used.reader_id is None:
        return "The credential's own service user, a Site Admin."
    user = AtsUser.objects.filter(connection=connection, remote_id=used.reader_id).first()
    if user is None:
        return f"The Greenhouse user {used.reader_id}."
    standing = "a Site Admin" if user.site_admin else "not a Site Admin, so nothing can be read"
    return f"{user}, {standing}."


@require_POST
@admin_only
def invite_people(request: MemberRequest) -> HttpResponse:
    """Invite the chosen Greenhouse users as recruiters, and show the same place again."""
    connection = connection_of(request.membership.organization_id)
    if connection.credential is None:
        return redirect("onboarding:credential")
    keys = (as_key(pk) for pk in request.POST.getlist("user"))
    chosen = [pk for pk in keys if pk is not None][:A_PAGE]
    invited = 0
    for user in rehearsal.not_here(connection).filter(pk__in=chosen):
        try:
            invitation, new = invite.invite(
                request.membership.organization,
                user.primary_email,
                role=Membership.Role.RECRUITER,
                by=request.membership.user,
            )
        except invite.Refused as refusal:
            messages.warning(request, refusal.sentence)
            continue
        invited += new
        if new:
            noted(
                request,
                "member.invited",
                f"invited {invitation.email} as recruiter",
                subject=invitation,
            )
    if invited:
        messages.success(request, f"{invited} invitation{'s' * (invited > 1)} on the way.")
    elif not chosen:
        messages.info(request, "Choose at least one person to invite.")
    place = {key: request.GET[key] for key in ("page", "find", "others") if key in request.GET}
    return redirect(f"{reverse('onboarding:people')}?{urlencode(place)}#not-here")
