"""The credential form: tested with Greenhouse, saved only if accepted. No response contains a typed
secret; with HTMX only the message changes, so that the fields keep what was typed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import retarget

from integrations.ats.errors import AtsUnavailable, RateLimited
from integrations.greenhouse import credential_kinds
from portal.accounts.access import MemberRequest, admin_only
from portal.connections.connection_state import get_connection
from portal.connections.credentials import store
from portal.connections.models import Connection, CredentialTest
from portal.connections.oauth.csp import allow_greenhouse_form_action
from portal.onboarding import credential_entry, setup_flow
from portal.onboarding.forms import CredentialForm
from portal.onboarding.paste_hints import PasteHint, find_paste_hint
from portal.onboarding.permission_checklist import Checkbox, list_checkboxes_to_tick
from portal.web.client_ip import get_client_ip
from portal.web.htmx import redirect_page, render_page_or_partial
from portal.web.rate_limits import count_hit

_DEFAULT_KIND = "harvest_oauth"
_FORM_KINDS = {
    key: kind for key, kind in credential_kinds.CREDENTIAL_KINDS.items() if not kind.is_consent
}


@dataclass(frozen=True)
class TickSection:
    """Checkboxes to select in Greenhouse, under a title."""

    key: str
    title: str
    checkboxes: list[Checkbox]
    by_scope: bool

    @property
    def text(self) -> str:
        """A line per checkbox, to copy."""
        return "\n".join(
            box.label if self.by_scope else f"{box.group} › {box.label}" for box in self.checkboxes
        )


def _build_tick_sections(kind: credential_kinds.CredentialKind) -> list[TickSection]:
    checkboxes = list_checkboxes_to_tick(kind.key)
    by_scope = kind.key == _DEFAULT_KIND
    required = [box for box in checkboxes if not box.optional]
    optional = [box for box in checkboxes if box.optional]
    return [
        TickSection("required", "Required", required, by_scope),
        TickSection("optional", "Optional", optional, by_scope),
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
@allow_greenhouse_form_action
def credential_page(request: MemberRequest) -> HttpResponse:
    connection = get_connection(request.membership.organization_id, create=request.method == "POST")
    kind = _choose_kind(request, connection)
    if request.method != "POST":
        return _render_form(request, connection, CredentialForm(kind=kind))
    form = CredentialForm(request.POST, kind=kind)
    if not form.is_valid():
        return _render_form(request, connection, form)
    hint = None if "use_anyway" in request.POST else find_paste_hint(form.data, kind)
    if hint:
        empty_form = CredentialForm(kind=kind)
        return _render_form(request, connection, empty_form, paste_hint=hint)
    seconds_left = count_hit(f"credential:{request.user.pk}", settings.CREDENTIAL_ENTRY_LIMIT)
    if seconds_left:
        form.add_error(None, _describe_limit(seconds_left))
        return _render_form(request, connection, form)
    return _enter_credential(request, connection, form)


def _describe_limit(seconds_left: int) -> str:
    minutes = math.ceil(seconds_left / 60)
    unit = "minute" if minutes == 1 else "minutes"
    return f"You've tested many credentials in a short time. Try again in {minutes} {unit}."


def _choose_kind(request: MemberRequest, connection: Connection) -> credential_kinds.CredentialKind:
    current = connection.credential
    requested_kind = request.POST.get("kind") or request.GET.get("kind")
    return _FORM_KINDS.get(
        requested_kind or (current.kind if current else ""), _FORM_KINDS[_DEFAULT_KIND]
    )


def _enter_credential(
    request: MemberRequest, connection: Connection, form: CredentialForm
) -> HttpResponse:
    entered = credential_entry.EnteredCredential(
        kind=form.kind.key,
        secrets=form.get_secrets(),
        confirms_account_change=form.confirms_account_change(request.membership.organization.name),
        membership=request.membership,
        ip_address=get_client_ip(request),
    )
    try:
        next_step = credential_entry.enter_credential(
            connection, entered, patience=settings.CREDENTIAL_TEST_DEADLINE_SECONDS
        )
    except (AtsUnavailable, RateLimited) as error:
        return _continue_in_background(request, connection, form, entered, error)
    except store.CredentialRefused as refusal:
        return _render_refusal(request, connection, form, refusal)
    return _go_to_next_step(request, next_step)


def _continue_in_background(
    request: MemberRequest,
    connection: Connection,
    form: CredentialForm,
    entered: credential_entry.EnteredCredential,
    error: AtsUnavailable | RateLimited,
) -> HttpResponse:
    try:
        test = credential_entry.continue_in_background(connection, entered, error)
    except store.CredentialRefused as refusal:
        return _render_refusal(request, connection, form, refusal)
    if not request.htmx:
        return redirect("onboarding:credential_test", pk=test.pk)
    return _render_form(request, connection, form, test=test)


@require_safe
@admin_only
@allow_greenhouse_form_action
def credential_test_page(request: MemberRequest, pk: int) -> HttpResponse:
    """The form again, while a worker continues the test, and its result."""
    connection = get_connection(request.membership.organization_id)
    test = CredentialTest.objects.filter(
        pk=pk,
        connection__organization=request.membership.organization_id,
        membership=request.membership,
    ).first()
    if test is None or test.is_expired:
        messages.warning(
            request,
            "The credential wasn't saved: another one was entered, Greenhouse was disconnected, or "
            "the test took too long. Enter it again.",
        )
        return redirect_page(request, "onboarding:credential")
    if test.status == CredentialTest.Status.ACCEPTED:
        return _go_to_next_step(request, test.next_step)
    form = CredentialForm(kind=credential_kinds.CREDENTIAL_KINDS[test.kind])
    if test.is_open:
        return _render_form(request, connection, form, test=test)
    form.show_refusal()
    return _render_refusal(request, connection, form, credential_entry.load_refusal(test))


def _go_to_next_step(request: MemberRequest, next_step: str) -> HttpResponse:
    if next_step == "onboarding:permissions":
        messages.success(request, "Credential saved.")
    return redirect_page(request, next_step)


def _render_refusal(
    request: MemberRequest,
    connection: Connection,
    form: CredentialForm,
    refusal: store.CredentialRefused,
) -> HttpResponse:
    if isinstance(refusal, store.DifferentKind):
        form = CredentialForm(kind=credential_kinds.CREDENTIAL_KINDS[refusal.kind])
        return _render_form(request, connection, form, kind_hint=refusal.sentence)
    form.add_error(refusal.field or None, refusal.sentence)
    if isinstance(refusal, store.DifferentAccount):
        form.add_account_change_field(request.membership.organization.name)
    return _render_form(request, connection, form)


def _render_form(
    request: MemberRequest,
    connection: Connection,
    form: CredentialForm,
    *,
    kind_hint: str = "",
    paste_hint: PasteHint | None = None,
    test: CredentialTest | None = None,
) -> HttpResponse:
    setup_status = setup_flow.SetupStatus(connection)
    context = {
        "steps": setup_flow.build_steps(setup_status, shown_step="credential"),
        "connection": connection,
        "form": form,
        "kind": form.kind,
        "kinds": _FORM_KINDS.values(),
        "current": setup_status.credential,  # may have ended while the new one was tested
        "kind_hint": kind_hint,
        "paste_hint": paste_hint,
        "boxes_to_tick": _build_tick_sections(form.kind),
        "v1_retirement": credential_kinds.V1_RETIREMENT,
        "needs_rotation": setup_flow.needs_rotation(connection),
        "test": test,
    }
    status = 422 if form.errors or kind_hint or paste_hint else 200
    partial = "credential-entry" if kind_hint else "credential-message"
    response = render_page_or_partial(
        request, "onboarding/credential.html", partial, context, status=status
    )
    return retarget(response, "#credential-entry") if request.htmx and kind_hint else response
