"""Admin page for links that ask a Greenhouse admin to grant missing permissions."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from portal.accounts.models import Organization, User
from portal.connections.models import Connection, Credential, FixLink
from portal.connections.permissions import fix_link_email, fix_links
from portal.core.names import form_fields
from portal.notifications import notify
from portal.support.actions import customer_actions
from portal.support.actions.action_pages import authorize_help

OTHER_RECIPIENT = "else"
_OTHER_LABEL = "Someone else who manages Greenhouse there"
LINK_PLACEHOLDER = "(the link appears here once it is created)"


class RecipientForm(forms.Form):
    to = forms.ChoiceField(
        label="To",
        widget=forms.RadioSelect,
        error_messages={"required": "Select who gets the link."},
    )
    other = form_fields.EmailField(
        label="Their email",
        required=False,
        help_text="They don't need an account here.",
        widget=forms.EmailInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )

    def __init__(self, data: Any, organization: Organization) -> None:
        super().__init__(data)
        people = [
            (person.email, f"{person} <{person.email}>")
            for person in notify.list_admins(organization)
        ]
        field = cast(forms.ChoiceField, self.fields["to"])
        field.choices = [*people, (OTHER_RECIPIENT, _OTHER_LABEL)]
        self.initial["to"] = people[0][0] if people else OTHER_RECIPIENT

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        is_other = values.get("to") == OTHER_RECIPIENT
        if is_other and not values.get("other") and "other" not in self.errors:
            self.add_error("other", "Enter their email.")
        if not is_other and values.get("other"):
            self.add_error("to", f"Select “{_OTHER_LABEL}” to send it to {values['other']}.")
        return values

    @property
    def address(self) -> str:
        chosen = self.cleaned_data["to"]
        return str(self.cleaned_data["other"] if chosen == OTHER_RECIPIENT else chosen)


@never_cache
def fix_link_page(request: HttpRequest, organization_id: int) -> HttpResponse:
    """Preview the email; POST creates the link and sends it, or shows it once."""
    organization, back_url = authorize_help(request, organization_id)
    connection = getattr(organization, "connection", None)
    reason = customer_actions.why_unavailable(
        customer_actions.CUSTOMER_ACTIONS["check"], connection
    )
    if reason or connection is None:
        messages.warning(request, f"Create a fix link: {reason}")
        return redirect(back_url)
    by = cast(User, request.user)
    form = RecipientForm(request.POST if "send" in request.POST else None, organization)
    token = ""
    try:
        if request.method == "POST" and "copy" in request.POST:
            _, token = customer_actions.create_fix_link(connection, by=by, request=request)
        elif request.method == "POST" and form.is_valid():
            customer_actions.create_fix_link(
                connection, by=by, request=request, send_to=form.address
            )
            messages.success(request, f"Fix link sent to {form.address}.")
            return redirect(back_url)
    except fix_links.LimitReached as error:
        messages.warning(request, error.sentence)
    except customer_actions.ActionNotApplied:
        messages.info(request, "No permissions are missing anymore.")
    return _render_page(request, organization, connection, form, token)


def _render_page(
    request: HttpRequest,
    organization: Organization,
    connection: Connection,
    form: RecipientForm,
    token: str,
) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": f"Create a fix link for {organization}",
        "organization": organization,
        "form": form,
        "email": _preview_email(connection.credential, cast(User, request.user), token),
        "link_created": bool(token),
        "links": fix_links.list_open_links(connection).select_related("created_by"),
        "back_url": reverse("admin:accounts_organization_summary", args=[organization.pk]),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "admin/support/fix_link.html", context, status=status)


def _preview_email(
    credential: Credential | None, by: User, token: str
) -> fix_link_email.FixLinkEmail | None:
    missing_permissions = fix_links.list_permissions_to_request(credential) if credential else []
    if credential is None or not missing_permissions:
        return None
    return fix_link_email.compose_email(
        credential,
        [permission.key for permission in missing_permissions],
        address=fix_link_email.build_link_url(token) if token else LINK_PLACEHOLDER,
        until=timezone.now() + fix_links.LINK_LIFETIME,
        by=by,
    )


@require_POST
def revoke_fix_link(request: HttpRequest, organization_id: int, link_id: int) -> HttpResponse:
    organization, _ = authorize_help(request, organization_id)
    link = get_object_or_404(
        FixLink.objects.select_related("connection__organization"),
        pk=link_id,
        connection__organization=organization,
    )
    try:
        customer_actions.revoke_fix_link(link, by=cast(User, request.user), request=request)
    except customer_actions.ActionNotApplied:
        messages.info(request, "The link was already closed.")
    else:
        messages.success(request, "Link revoked.")
    return redirect("admin:accounts_organization_fix_link", organization.pk)
