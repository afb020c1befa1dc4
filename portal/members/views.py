from __future__ import annotations

from allauth.account.internal.flows.login import record_authentication
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import (
    MemberRequest,
    admin_only,
    list_memberships,
    public_view,
    select_organization,
)
from portal.accounts.models import Membership, User
from portal.audit.atomic_actions import audited_action
from portal.audit.entries import record_entry
from portal.audit.member_actions import record_member_action
from portal.core import links
from portal.core.tenancy.scope import enter_organization
from portal.members import invitations, memberships
from portal.members.forms import AcceptForm, InviteForm
from portal.members.models import Invitation
from portal.signin import sso_sessions, sso_subjects
from portal.signin.models import find_single_sign_on


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@audited_action
def list_members(request: MemberRequest) -> HttpResponse:
    organization = request.membership.organization
    form = InviteForm(request.POST or None, organization)
    if request.method == "POST" and form.is_valid() and _send_invitation(request, form):
        return redirect("members:list")
    pending = organization.invitations.filter(accepted_at=None, revoked_at=None)
    context = {
        "form": form,
        "members": organization.memberships.select_related("user").order_by(
            "user__name", "user__email"
        ),
        "invitations": pending.select_related("invited_by"),
        "roles": Membership.Role.choices,
        "linked_user_ids": sso_subjects.list_linked_users(organization),
    }
    status = 422 if form.errors else 200
    return render(request, "members/list.html", context, status=status)


def _send_invitation(request: MemberRequest, form: InviteForm) -> bool:
    membership, email = request.membership, form.cleaned_data["email"]
    try:
        invitation, created = invitations.create_invitation(
            membership.organization, email, role=form.cleaned_data["role"], by=membership.user
        )
    except invitations.InvitationRefused as refusal:
        form.add_error("email", refusal.message)
        return False
    if not created:
        messages.info(request, f"{invitation.email} already has an open invitation.")
        return True
    record_member_action(
        request,
        "member.invited",
        f"invited {invitation.email} as {invitation.get_role_display().lower()}",
        subject=invitation,
    )
    messages.success(request, f"Invitation sent to {invitation.email}.")
    return True


@require_POST
@admin_only
@audited_action
def revoke_invitation(request: MemberRequest, pk: int) -> HttpResponse:
    membership = request.membership
    invitation = get_object_or_404(Invitation, pk=pk, organization=membership.organization)
    if invitations.revoke_invitation(invitation):
        record_member_action(
            request,
            "member.invitation_revoked",
            f"revoked the invitation of {invitation.email}",
            subject=invitation,
        )
        messages.success(request, f"Invitation of {invitation.email} revoked.")
    return redirect("members:list")


@require_POST
@admin_only
@audited_action
def resend_invitation(request: MemberRequest, pk: int) -> HttpResponse:
    membership = request.membership
    invitation = get_object_or_404(Invitation, pk=pk, organization=membership.organization)
    try:
        invitations.resend_invitation(invitation, by=membership.user)
    except invitations.InvitationRefused as refusal:
        messages.warning(request, refusal.message)
        return redirect("members:list")
    record_member_action(
        request,
        "member.invitation_resent",
        f"resent the invitation of {invitation.email}",
        subject=invitation,
    )
    messages.success(request, f"Invitation sent to {invitation.email} with a new link.")
    return redirect("members:list")


@require_POST
@admin_only
@audited_action
def update_member(request: MemberRequest, pk: int) -> HttpResponse:
    organization = request.membership.organization
    membership = get_object_or_404(organization.memberships.select_related("user"), pk=pk)
    role = request.POST.get("role", "")
    try:
        if role in Membership.Role.values:
            _change_role(request, membership, role)
        elif "remove" in request.POST:
            _remove_member(request, membership)
        elif "allow_new_sign_in" in request.POST:
            _allow_new_sign_in(request, membership)
    except memberships.LastAdmin:
        messages.error(
            request,
            f"Not changed: {organization} needs an admin. Make another member an admin first.",
        )
    except memberships.MemberAlreadyRemoved:
        messages.info(request, f"{membership.user} has already been removed.")
    return _redirect_after_change(request, membership)


def _redirect_after_change(request: MemberRequest, membership: Membership) -> HttpResponse:
    if membership.pk != request.membership.pk:
        return redirect("members:list")
    # Only admins may open the list.
    is_still_admin = Membership.objects.filter(
        pk=membership.pk, role=Membership.Role.ADMIN
    ).exists()
    return redirect("members:list" if is_still_admin else links.HOME)


def _change_role(request: MemberRequest, membership: Membership, role: str) -> None:
    previous_role = memberships.change_role(membership, role)
    if previous_role == role:
        return
    record_member_action(
        request,
        "member.role_changed",
        f"changed the role of {membership.user.email} to {role}",
        subject=membership,
        before={"role": previous_role},
        after={"role": role},
    )
    label = Membership.Role(role).label.lower()
    messages.success(request, f"{membership.user} is now {_add_article(label)}.")


def _add_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _allow_new_sign_in(request: MemberRequest, membership: Membership) -> None:
    if not sso_subjects.unlink_subjects(membership.user, membership.organization):
        return
    record_member_action(
        request,
        "member.sign_in_unlinked",
        f"allowed {membership.user.email} to sign in with another single sign-on account",
        subject=membership,
    )
    messages.success(
        request,
        f"The next single sign-on account with {membership.user.email} opens this member's "
        "account.",
    )


def _remove_member(request: MemberRequest, membership: Membership) -> None:
    memberships.remove_member(membership, by=request.membership.user)
    record_member_action(
        request,
        "member.removed",
        f"removed {membership.user.email}",
        subject=membership,
        before={"role": membership.role},
    )
    messages.success(request, f"{membership.user} removed.")


@public_view("an admin sent the invitation link to its holder")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@audited_action
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Accept with a new account, an existing one, or through required single sign-on."""
    invitation = invitations.find_invitation(token)
    if invitation is None:
        return _render_ended_invitation(request, token)
    enter_organization(invitation.organization_id)
    invitations.record_opening(invitation)
    existing_user = User.objects.filter(email=invitation.email).first()
    sign_on = find_single_sign_on(invitation.email)
    if sign_on is not None and sign_on.required:
        is_own_provider = sign_on.organization_id == invitation.organization_id
        if is_own_provider or existing_user is None or request.user != existing_user:
            sso_context = {"invitation": invitation, "sign_on": sign_on}
            return render(request, "members/accept_by_sso.html", sso_context)
    if existing_user:
        return _accept_with_account(request, invitation, existing_user)
    form = AcceptForm(request.POST or None, invitation=invitation)
    if request.method == "POST" and form.is_valid():
        try:
            membership = invitations.join_with_new_account(
                invitation,
                name=form.cleaned_data["name"],
                password=form.cleaned_data["password"],
            )
        except invitations.InvitationRefused as refusal:
            form.add_error(None, refusal.message)
        else:
            return _complete_joining(request, membership)
    status = 422 if form.errors else 200
    context = {"invitation": invitation, "form": form}
    return render(request, "members/accept_invitation.html", context, status=status)


def _render_ended_invitation(request: HttpRequest, token: str) -> HttpResponse:
    # After joining by single sign-on, users return to the invitation link.
    if any(invitations.was_joined_by_link(token, member) for member in list_memberships(request)):
        return redirect(links.HOME)
    return render(request, "members/invitation_ended.html", status=410)


def _accept_with_account(
    request: HttpRequest, invitation: Invitation, existing_user: User
) -> HttpResponse:
    signed_in = request.user.is_authenticated and request.user.pk == existing_user.pk
    context = {
        "invitation": invitation,
        "existing_user": existing_user,
        "signed_in": signed_in,
        "needs_other_sign_in": signed_in
        and not sso_sessions.is_open_in_session(request, invitation.organization),
        "has_other_membership": signed_in and bool(list_memberships(request)),
    }
    if request.method == "POST" and signed_in and not context["needs_other_sign_in"]:
        try:
            return _complete_joining(
                request, invitations.accept_invitation(invitation, existing_user)
            )
        except invitations.InvitationRefused:  # used or revoked concurrently
            return render(request, "members/invitation_ended.html", status=410)
    return render(request, "members/accept_invitation.html", context)


def _complete_joining(request: HttpRequest, membership: Membership) -> HttpResponse:
    record_entry(
        "member.joined",
        "accepted the invitation",
        organization=membership.organization,
        by=membership.user,
        subject=membership,
        request=request,
    )
    if request.user != membership.user:
        login(request, membership.user)
        record_authentication(request, membership.user, method="password")
    select_organization(request, membership.organization_id)
    return redirect(links.HOME)
