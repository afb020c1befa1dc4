"""The link for whoever manages Greenhouse at a customer: sent, or copied once, and taken back."""

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
from portal.connections import fix_links, fix_mail
from portal.connections.models import Connection, Credential, FixLink
from portal.notices import tell
from portal.support import deeds
from portal.support.pages.helping import helped

ELSE = "else"
LATER = "(the link stands here once it is made)"


class ToForm(forms.Form):
    """To whom the link goes: an admin of the customer, or whoever manages Greenhouse there."""

    to = forms.ChoiceField(label="To", widget=forms.RadioSelect)
    other = forms.EmailField(
        label="Their e-mail",
        required=False,
        help_text="For somebody else. They need no account here.",
        widget=forms.EmailInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )

    def __init__(self, data: Any, organization: Organization) -> None:
        super().__init__(data)
        people = [(p.email, f"{p} <{p.email}>") for p in tell.admins(organization)]
        field = cast(forms.ChoiceField, self.fields["to"])
        field.choices = [*people, (ELSE, "Somebody else, who manages Greenhouse there")]
        self.initial["to"] = people[0][0] if people else ELSE

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if values.get("to") == ELSE and not values.get("other") and "other" not in self.errors:
            self.add_error("other", "Please enter the address.")
        return values

    @property
    def address(self) -> str:
        """Where it goes, once the form is valid."""
        chosen = self.cleaned_data["to"]
        return str(self.cleaned_data["other"] if chosen == ELSE else chosen)


@never_cache
def fix_link(request: HttpRequest, organization_id: int) -> HttpResponse:
    """Show the letter with what is missing; POST makes the link and sends it, or shows it once."""
    organization, back = helped(request, organization_id)
    connection = getattr(organization, "connection", None)
    no = deeds.why_not(deeds.DEEDS["check"], connection)
    if no or connection is None:
        messages.warning(request, f"Make a link: {no}")
        return redirect(back)
    by = cast(User, request.user)
    form = ToForm(request.POST if "send" in request.POST else None, organization)
    token = ""
    try:
        if request.method == "POST" and "copy" in request.POST:
            _, token = deeds.make_link(connection, by=by, request=request)
        elif request.method == "POST" and form.is_valid():
            deeds.make_link(connection, by=by, request=request, send_to=form.address)
            messages.success(request, f"The link is on its way to {form.address}.")
            return redirect(back)
    except fix_links.Enough as enough:
        messages.warning(request, enough.sentence)
    except deeds.NotDone:
        messages.info(request, "Nothing is known to be missing any more.")
    return _page(request, organization, connection, form, token)


def _page(
    request: HttpRequest,
    organization: Organization,
    connection: Connection,
    form: ToForm,
    token: str,
) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": f"A link for whoever manages Greenhouse at {organization}",
        "organization": organization,
        "form": form,
        "letter": _letter(connection.credential, cast(User, request.user), token),
        "made": bool(token),
        "links": fix_links.still_open(connection).select_related("made_by"),
        "back": reverse("admin:accounts_organization_desk", args=[organization.pk]),
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "admin/support/fix_link.html", context, status=status)


def _letter(credential: Credential | None, by: User, token: str) -> fix_mail.Letter | None:
    """The letter as it leaves; None where nothing is known to be missing."""
    wanted = fix_links.to_ask_for(credential) if credential else []
    if credential is None or not wanted:
        return None
    return fix_mail.letter(
        credential,
        [permission.key for permission in wanted],
        address=fix_mail.address_of(token) if token else LATER,
        until=timezone.now() + fix_links.LASTS,
        by=by,
    )


@require_POST
def revoke(request: HttpRequest, organization_id: int, link_id: int) -> HttpResponse:
    """Take a link back."""
    organization, _ = helped(request, organization_id)
    link = get_object_or_404(
        FixLink.objects.select_related("connection__organization"),
        pk=link_id,
        connection__organization=organization,
    )
    try:
        deeds.revoke_link(link, by=cast(User, request.user), request=request)
    except deeds.NotDone:
        messages.info(request, "It had ended before.")
    else:
        messages.success(request, "The link no longer works.")
    return redirect("admin:accounts_organization_fix_link", organization.pk)
