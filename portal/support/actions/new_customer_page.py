"""Admin pages: a new customer, and what became of an invitation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from portal.accounts.models import Organization, User
from portal.core.names import form_fields
from portal.members import invitations
from portal.members.models import Invitation
from portal.support.access.roles import can_create_customers, can_see_people
from portal.support.actions import customer_actions, new_customer
from portal.support.actions.action_pages import authorize_help

_STAFF_ADDRESS = (
    "This is one of our own accounts. Staff can't belong to a customer; enter the address of "
    "one of the customer's people."
)


class NewCustomerForm(forms.Form):
    name = form_fields.NameField(
        label="Company name",
        max_length=Organization._meta.get_field("name").max_length,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        error_messages={"required": "Enter the company's name."},
    )
    email = form_fields.EmailField(
        label="Admin's email",
        max_length=Invitation._meta.get_field("email").max_length,
        help_text="They get an email with a link to join as admin and connect Greenhouse.",
        widget=forms.EmailInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        error_messages={"required": "Enter the email of the customer's admin."},
    )
    note = forms.CharField(
        label="Note (optional)",
        required=False,
        max_length=Invitation._meta.get_field("note").max_length,
        help_text="Added to the email.",
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 4}),
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if User.objects.filter(email=email, is_staff=True).exists():
            raise forms.ValidationError(_STAFF_ADDRESS)
        return email


@dataclass(frozen=True)
class LinkState:
    label: str
    tone: str  # CSS class of the pill
    text: str = ""  # what to do next


def new_customer_page(request: HttpRequest) -> HttpResponse:
    """Ask again before a duplicate is created; then show the invitation."""
    if not can_create_customers(request):
        raise PermissionDenied
    form = NewCustomerForm(request.POST or None)
    concerns: list[new_customer.Concern] = []
    if request.method == "POST" and form.is_valid():
        values, by = form.cleaned_data, cast(User, request.user)
        concerns = _list_unconfirmed(request, values)
        if not concerns:
            try:
                invitation = new_customer.create_customer(**values, by=by, request=request)
            except invitations.InvitationRefused as refusal:
                form.add_error("email", refusal.message)
            except new_customer.CreatedMeanwhile:
                concerns = _list_unconfirmed(request, values)
            else:
                return _redirect_to_invitation(request, invitation, "created")
        if concerns and (
            same := new_customer.find_own_invitation(values["name"], values["email"], by)
        ):
            return _redirect_to_invitation(request, same, "was created already")
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "New customer",
        "form": form,
        "concerns": concerns,
    }
    status = 422 if form.errors or concerns else 200
    return TemplateResponse(request, "admin/support/new_customer.html", context, status=status)


def _list_unconfirmed(request: HttpRequest, values: dict[str, Any]) -> list[new_customer.Concern]:
    """All concerns, unless each of them was confirmed."""
    concerns = new_customer.list_concerns(values["name"], values["email"])
    confirmed_keys = set(request.POST.getlist("confirmed"))
    return [] if all(concern.key in confirmed_keys for concern in concerns) else concerns


def _redirect_to_invitation(
    request: HttpRequest, invitation: Invitation, outcome: str
) -> HttpResponse:
    messages.success(
        request, f"{invitation.organization} {outcome}. Invitation sent to {invitation.email}."
    )
    return redirect("admin:support_customer_invitation", invitation.organization_id, invitation.pk)


def invitation_page(request: HttpRequest, organization_id: int, invitation_id: int) -> HttpResponse:
    """Show what became of an invitation; POST resends or revokes it."""
    organization, back_url = authorize_help(request, organization_id)
    if not can_see_people(request):
        raise PermissionDenied
    rows = organization.invitations.select_related("organization", "invited_by")
    invitation = get_object_or_404(rows, pk=invitation_id)
    if request.method == "POST":
        _apply_click(request, invitation)
        return redirect("admin:support_customer_invitation", organization.pk, invitation.pk)
    is_pending = not invitation.accepted_at and not invitation.revoked_at
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Invitation to {organization}",
        "organization": organization,
        "invitation": invitation,
        "link_state": describe_link_state(invitation),
        "is_pending": is_pending,
        "back_url": back_url,
    }
    return TemplateResponse(request, "admin/support/customer_invitation.html", context)


def _apply_click(request: HttpRequest, invitation: Invitation) -> None:
    by = cast(User, request.user)
    if "revoke" in request.POST:
        if new_customer.revoke_invitation(invitation, by=by, request=request):
            messages.success(request, "Invitation revoked. The link no longer works.")
        else:
            messages.info(request, "This invitation has been accepted or revoked already.")
        return
    try:
        customer_actions.resend_invitation(invitation, by=by, request=request)
    except invitations.InvitationRefused as refusal:
        messages.warning(request, refusal.message)
    else:
        messages.success(request, f"Invitation sent to {invitation.email} with a new link.")


def describe_link_state(invitation: Invitation) -> LinkState:
    statuses = Invitation.EmailStatus
    if invitation.accepted_at:
        return LinkState("Accepted", "good")
    if invitation.revoked_at:
        return LinkState("Revoked", "off", "The link no longer works.")
    if not invitation.is_open:
        return LinkState("Expired", "warn", "Resend it to send a new link.")
    if invitation.email_status == statuses.FAILED:
        return LinkState("Not sent", "bad", "The email couldn't be sent. Check the address.")
    if invitation.email_status == statuses.RETURNED:
        return LinkState("Came back", "bad", "The address didn't take the email. Check it.")
    if invitation.email_status != statuses.SENT:
        return LinkState("Sending", "off")
    if invitation.opened_at:
        return LinkState("Opened", "good", "The link was opened, but not accepted yet.")
    return LinkState("Sent", "off", "The link was not opened yet.")
