"""Who belongs to the organization, for its admins; and the page an invitation leads to."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import MemberRequest, admin_only, membership_of, public
from portal.accounts.models import Membership, User
from portal.audit.noted import noted
from portal.audit.record import record
from portal.members import invite, roles
from portal.members.forms import AcceptForm, InviteForm
from portal.members.models import Invitation
from portal.signin.models import sign_on_for


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def members(request: MemberRequest) -> HttpResponse:
    """Members and open invitations. POST invites somebody."""
    organization = request.membership.organization
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _invited(request, form):
        return redirect("members:list")
    pending = organization.invitations.filter(accepted_at=None, revoked_at=None)
    context = {
        "form": form,
        "members": organization.memberships.select_related("user").order_by(
            "user__name", "user__email"
        ),
        "invitations": pending.select_related("invited_by"),
        "roles": Membership.Role.choices,
    }
    status = 422 if form.errors else 200
    return render(request, "members/list.html", context, status=status)


def _invited(request: MemberRequest, form: InviteForm) -> bool:
    member, email = request.membership, form.cleaned_data["email"]
    try:
        invitation, new = invite.invite(
            member.organization, email, role=form.cleaned_data["role"], by=member.user
        )
    except invite.Refused as refusal:
        form.add_error("email", refusal.sentence)
        return False
    if not new:
        messages.info(request, f"{invitation.email} has an open invitation already.")
        return True
    noted(
        request,
        "member.invited",
        f"invited {invitation.email} as {invitation.get_role_display().lower()}",
        subject=invitation,
    )
    messages.success(request, f"The invitation to {invitation.email} is on its way.")
    return True


@require_POST
@admin_only
def revoke(request: MemberRequest, pk: int) -> HttpResponse:
    """End an invitation."""
    member = request.membership
    invitation = get_object_or_404(Invitation, pk=pk, organization=member.organization)
    if invite.revoke(invitation):
        noted(
            request,
            "member.invitation_revoked",
            f"revoked the invitation of {invitation.email}",
            subject=invitation,
        )
        messages.success(request, f"The invitation of {invitation.email} no longer works.")
    return redirect("members:list")


@require_POST
@admin_only
def resend(request: MemberRequest, pk: int) -> HttpResponse:
    """Send an invitation once more, with another link."""
    member = request.membership
    invitation = get_object_or_404(Invitation, pk=pk, organization=member.organization)
    try:
        invite.resend(invitation, by=member.user)
    except invite.Refused as refusal:
        messages.warning(request, refusal.sentence)
        return redirect("members:list")
    noted(
        request,
        "member.invited_again",
        f"sent the invitation of {invitation.email} again",
        subject=invitation,
    )
    messages.success(request, f"The invitation to {invitation.email} is on its way.")
    return redirect("members:list")


@require_POST
@admin_only
def member(request: MemberRequest, pk: int) -> HttpResponse:
    """Change a member's role, or take them out (`role` empty)."""
    organization = request.membership.organization
    chosen = get_object_or_404(organization.memberships.select_related("user"), pk=pk)
    role = request.POST.get("role", "")
    try:
        if role in Membership.Role.values:
            _change(request, chosen, role)
        elif "take_out" in request.POST:
            _take_out(request, chosen)
    except roles.LastAdmin:
        messages.error(request, "An organization needs an admin. Make somebody else one first.")
    except roles.Gone:
        messages.info(request, f"{chosen.user} was taken out meanwhile.")
    return _back(request, chosen)


def _back(request: MemberRequest, chosen: Membership) -> HttpResponse:
    """To the list; who is no admin any more cannot open it."""
    if chosen.pk != request.membership.pk:
        return redirect("members:list")
    still = Membership.objects.filter(pk=chosen.pk, role=Membership.Role.ADMIN).exists()
    return redirect("members:list" if still else "home")


def _change(request: MemberRequest, chosen: Membership, role: str) -> None:
    before = roles.change(chosen, role)
    if before == role:
        return
    record(
        "member.role_changed",
        f"made {chosen.user.email} {role}",
        organization=chosen.organization,
        by=request.membership.user,
        subject=chosen,
        before={"role": before},
        after={"role": role},
        request=request,
    )
    who = "You are" if chosen.pk == request.membership.pk else f"{chosen.user} is"
    messages.success(request, f"{who} {Membership.Role(role).label.lower()} now.")


def _take_out(request: MemberRequest, chosen: Membership) -> None:
    roles.take_out(chosen, by=request.membership.user)
    record(
        "member.taken_out",
        f"took {chosen.user.email} out of the organization",
        organization=chosen.organization,
        by=request.membership.user,
        subject=chosen,
        before={"role": chosen.role},
        request=request,
    )
    messages.success(request, f"{chosen.user} no longer belongs to {chosen.organization}.")


@public("whoever holds an open invitation's link was sent it by an admin")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invitation leads: a name and a password, or a click for who has an account.

    Where single sign-on is required, it leads there; coming back by it accepts the invitation.
    """
    invitation = invite.find(token)
    if invitation is None:
        return _ended(request, token)
    sign_on = sign_on_for(invitation.email)
    if sign_on is not None and sign_on.required:
        there = {"invitation": invitation, "sign_on": sign_on}
        return render(request, "members/accept_by_sign_on.html", there)
    known = User.objects.filter(email=invitation.email).first()
    if known:
        return _accept_as(request, invitation, known)
    form = AcceptForm(request.POST or None, invitation=invitation)
    if request.method == "POST" and form.is_valid():
        try:
            joined = invite.join(
                invitation,
                name=form.cleaned_data["name"],
                password=form.cleaned_data["password"],
            )
        except invite.Refused as refusal:
            form.add_error(None, refusal.sentence)
        else:
            return _welcome(request, joined)
    status = 422 if form.errors else 200
    context = {"invitation": invitation, "form": form}
    return render(request, "members/accept.html", context, status=status)


def _ended(request: HttpRequest, token: str) -> HttpResponse:
    """Whoever is in by this link already, by single sign-on for example, only came back to it."""
    member = membership_of(request)
    if member is not None and invite.brought(token, member):
        return redirect("home")
    return render(request, "members/ended.html", status=410)


def _accept_as(request: HttpRequest, invitation: Invitation, known: User) -> HttpResponse:
    """Somebody with an account here accepts: signed in with it, and of no other organization."""
    signed_in = request.user.is_authenticated and request.user.pk == known.pk
    context = {
        "invitation": invitation,
        "known": known,
        "signed_in": signed_in,
        "elsewhere": signed_in and membership_of(request) is not None,
    }
    if request.method == "POST" and signed_in and not context["elsewhere"]:
        try:
            return _welcome(request, invite.accept(invitation, known))
        except invite.Refused:  # used or revoked this very moment
            return render(request, "members/ended.html", status=410)
    return render(request, "members/accept.html", context)


def _welcome(request: HttpRequest, joined: Membership) -> HttpResponse:
    record(
        "member.joined",
        "accepted the invitation",
        organization=joined.organization,
        by=joined.user,
        subject=joined,
        request=request,
    )
    login(request, joined.user)
    return redirect("home")
