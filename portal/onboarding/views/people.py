from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, admin_only
from portal.accounts.models import Membership
from portal.audit.atomic_actions import audited_action
from portal.audit.member_actions import record_member_action
from portal.connections.connection_state import get_connection
from portal.connections.models import Connection, Credential
from portal.entitlements.user_matching import MatchStatus
from portal.members import invitations, memberships
from portal.members.models import Invitation
from portal.onboarding import access_preview, setup_flow
from portal.sync.models import AtsUser, SyncRun, SyncStep
from portal.web.htmx import render_page_or_partial
from portal.web.id_parsing import parse_id
from portal.web.list_visits import VISIT_PARAMS, ListVisit, PagedList

CONFIRM_PARAM = "confirm"  # Greenhouse users whom the admin is asked about
USER_LIST_PREFIX = "user_"  # of its parameters in the URL
PAGE_SIZE = 50
# The first steps of a sync, which the preview needs.
REQUIRED_STEPS = ("users", "jobs", "grants")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def people_page(request: MemberRequest) -> HttpResponse:
    """The preview. POST continues to the first sync."""
    connection = get_connection(request.membership.organization_id)
    setup_status = setup_flow.SetupStatus(connection)
    credential = setup_status.credential
    if credential is None or setup_status.current_step in setup_flow.STEPS_BEFORE_PEOPLE:
        return redirect(f"onboarding:{setup_status.current_step}")
    if request.method == "POST":
        connection.people_reviewed_at = timezone.now()
        connection.save(update_fields=["people_reviewed_at"])
        return redirect(f"onboarding:{setup_flow.SetupStatus(connection).current_step}")
    members = connection.organization.memberships.select_related("user").order_by(
        "user__name", "user__email", "pk"
    )
    member_list = PagedList("members", ordered=members, shown=members, size=PAGE_SIZE)
    page = ListVisit(member_list, request.GET, request.membership).load_page()
    pending = _is_first_read(connection)
    rows = access_preview.build_preview_rows(connection, list(page))
    context = {
        "steps": setup_flow.build_steps(setup_status, shown_step="people"),
        "rows": rows,
        "page": page,
        "waiting": pending,
        "paused": connection.state == Connection.State.PAUSED,
        "unmatched": sum(row.status != MatchStatus.MATCHED for row in rows),
        "reader": _describe_reader(connection, credential),
        "used": credential,
    } | ({} if pending else _list_invitable_users(request, connection))
    return render_page_or_partial(request, "onboarding/people.html", "people", context)


def _is_first_read(connection: Connection) -> bool:
    """Whether people are being read, and no earlier result could be shown until then."""
    open_steps = SyncStep.objects.filter(
        run__connection=connection,
        run__status__in=SyncRun.OPEN,
        kind__in=REQUIRED_STEPS,
        status__in=SyncStep.OPEN,
    )
    unread_kinds = set(open_steps.order_by().values_list("kind", flat=True))
    if not unread_kinds or not AtsUser.objects.filter(connection=connection).exists():
        return bool(unread_kinds)
    done = SyncStep.objects.filter(run__connection=connection, status=SyncStep.Status.DONE)
    return bool(
        unread_kinds - set(done.filter(kind__in=unread_kinds).values_list("kind", flat=True))
    )


def _list_invitable_users(request: MemberRequest, connection: Connection) -> dict[str, Any]:
    search = request.GET.get("q", "")[:100].strip()
    users = PagedList(
        f"users:{search}",
        ordered=access_preview.list_uninvited_users(connection, search),
        shown=access_preview.list_uninvited_users(connection),
        size=PAGE_SIZE,
    )
    user_page = ListVisit(
        users, request.GET, request.membership, prefix=USER_LIST_PREFIX
    ).load_page()
    shown_users = list(user_page)
    job_counts = access_preview.count_requisitions(connection, shown_users)
    without_access = access_preview.list_users_without_access(connection)
    emails = [user.primary_email for user in shown_users]
    pending = Invitation.objects.filter(
        organization=connection.organization,
        email__in=emails,
        accepted_at=None,
        revoked_at=None,
        expires_at__gt=timezone.now(),
    )
    return {
        "search": search,
        "user_page": user_page,
        "invitable": [(user, job_counts[user.pk]) for user in shown_users],
        "without_access": without_access[:PAGE_SIZE],
        "without_access_count": without_access.count(),
        "unconfirmed": _list_unconfirmed_users(request, connection),
        "invited": set(pending.values_list("email", flat=True)),
    }


def _describe_reader(connection: Connection, credential: Credential) -> str:
    if credential.kind == "harvest_key":
        return "The API key. It isn't a Greenhouse user and reads whatever its permissions allow."
    if credential.is_consent:
        return "The person who authorized in Greenhouse, or the service account created for it."
    if credential.reader_id is None:
        return "The credential's own service user."
    user = AtsUser.objects.filter(connection=connection, remote_id=credential.reader_id).first()
    if user is None:
        return f"Greenhouse user {credential.reader_id}."
    role_text = (
        "a Site Admin" if user.site_admin else "who isn't a Site Admin, so nothing can be read"
    )
    return f"{user}, {role_text}."


@require_POST
@admin_only
@audited_action
def invite_people(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id)
    if connection.credential is None:
        return redirect("onboarding:credential")
    confirmed = _parse_ids(request.POST.getlist("confirmed_user"))
    chosen = [*confirmed, *_parse_ids(request.POST.getlist("user"))]
    invited_count, unconfirmed = 0, []
    for user in access_preview.list_uninvited_users(connection).filter(pk__in=chosen):
        if user.pk not in confirmed and _is_with_other_company(user, connection):
            unconfirmed.append(str(user.pk))
            continue
        try:
            invitation, is_new = invitations.create_invitation(
                request.membership.organization,
                user.primary_email,
                role=Membership.Role.RECRUITER,
                by=request.membership.user,
            )
        except invitations.InvitationRefused as refusal:
            messages.warning(request, refusal.message)
            continue
        invited_count += is_new
        if is_new:
            record_member_action(
                request,
                "member.invited",
                f"invited {invitation.email} as recruiter",
                subject=invitation,
            )
    if invited_count:
        messages.success(request, f"{invited_count} invitation{'s' * (invited_count > 1)} sent.")
    elif not chosen:
        messages.info(request, "Select at least one person to invite.")
    names = (*VISIT_PARAMS, "q", *(f"{USER_LIST_PREFIX}{name}" for name in VISIT_PARAMS))
    query: dict[str, Any] = {name: request.GET[name] for name in names if name in request.GET}
    query |= {CONFIRM_PARAM: unconfirmed} if unconfirmed else {}
    return redirect(f"{reverse('onboarding:people')}?{urlencode(query, doseq=True)}#not-invited")


def _parse_ids(values: list[str]) -> list[int]:
    ids = (parse_id(value) for value in values)
    return [pk for pk in ids if pk is not None][:PAGE_SIZE]


def _list_unconfirmed_users(request: MemberRequest, connection: Connection) -> list[AtsUser]:
    """List who were selected and belong to another company, too: the admin is asked first."""
    pks = _parse_ids(request.GET.getlist(CONFIRM_PARAM))
    users = access_preview.list_uninvited_users(connection).filter(pk__in=pks) if pks else []
    return [user for user in users if _is_with_other_company(user, connection)]


def _is_with_other_company(user: AtsUser, connection: Connection) -> bool:
    return bool(memberships.list_other_memberships(user.primary_email, connection.organization))
