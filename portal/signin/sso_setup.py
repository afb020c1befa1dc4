"""Single sign-on as a customer's admin sets it up: what counts only after a test or an approval.

An operator approves domains for one issuer: with another one they have to be approved again.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.models import Organization, User
from portal.audit.entries import record_entry
from portal.core.database.concurrent_creation import create_or_join
from portal.signin.models import SignOnRequest, SingleSignOn, SingleSignOnDomain

Kind, State = SignOnRequest.Kind, SignOnRequest.State


class DomainTaken(Exception):
    """Another customer's sign-in service is responsible for the domain."""


@dataclass(frozen=True)
class Editor:
    """Who changes the settings, for the audit log."""

    user: User
    request: HttpRequest

    def record(self, verb: str, description: str, organization: Organization) -> None:
        record_entry(
            f"single_sign_on.{verb}",
            description,
            organization=organization,
            by=self.user,
            request=self.request,
        )


@dataclass(frozen=True)
class ServiceSettings:
    name: str
    issuer: str
    client_id: str
    client_secret: str  # empty keeps the stored one


def find_own_sign_on(organization: Organization) -> SingleSignOn | None:
    rows = SingleSignOn.objects.select_related("organization", "tested_by")
    return rows.filter(organization=organization).first()


@transaction.atomic
def save_service(organization: Organization, typed: ServiceSettings, editor: Editor) -> None:
    """Store the settings; anything that a test depends on makes it optional until tested."""
    sign_on, is_new = create_or_join(
        lambda: SingleSignOn.objects.create(
            organization=organization,
            name=typed.name,
            server_url=typed.issuer,
            client_id=typed.client_id,
            client_secret=typed.client_secret,
            enabled=False,
        ),
        SingleSignOn.objects.select_for_update().filter(organization=organization),
    )
    if not is_new:
        _change_service(sign_on, typed)
    editor.record("changed", f"saved {typed.name} at {typed.issuer}", organization)


def _change_service(sign_on: SingleSignOn, typed: ServiceSettings) -> None:
    fingerprint, has_new_issuer = sign_on.fingerprint, sign_on.server_url != typed.issuer
    sign_on.name, sign_on.server_url = typed.name, typed.issuer
    sign_on.client_id = typed.client_id
    if typed.client_secret:
        sign_on.client_secret = typed.client_secret  # type: ignore[assignment]
    if sign_on.fingerprint != fingerprint:
        sign_on.required = False
    if has_new_issuer:
        sign_on.enabled = False
        _return_to_requested(sign_on)
    sign_on.save()


def _return_to_requested(sign_on: SingleSignOn) -> None:
    """Ask for everything anew, in new rows: what an operator has on screen names the old issuer."""
    undecided = sign_on.requests.exclude(state=State.DECLINED)
    wanted = {(Kind(row.kind), row.domain): row.requested_by for row in undecided}
    wanted |= {(Kind.DOMAIN, row.domain): None for row in sign_on.domains.all()}
    if sign_on.addresses_verified:
        wanted[Kind.ADDRESSES_VERIFIED, ""] = None
    sign_on.requests.all().delete()
    sign_on.domains.all().delete()
    sign_on.addresses_verified = False
    for (kind, domain), by in wanted.items():
        _set_requested(sign_on, kind, domain, by)


def _set_requested(
    sign_on: SingleSignOn, kind: SignOnRequest.Kind, domain: str = "", by: User | None = None
) -> SignOnRequest:
    row, _ = SignOnRequest.objects.update_or_create(
        single_sign_on=sign_on,
        kind=kind,
        domain=domain,
        defaults={
            "state": State.REQUESTED,
            "requested_by": by,
            "requested_at": timezone.now(),
            "decided_by": None,
            "decided_at": None,
        },
    )
    return row


def _lock(sign_on: SingleSignOn) -> SingleSignOn:
    """Settings, approvals and switches of a service change one after the other."""
    return SingleSignOn.objects.select_for_update().get(pk=sign_on.pk)


def list_open_requests(sign_on: SingleSignOn) -> list[SignOnRequest]:
    """What is requested or declined; what is approved counts and is shown as such."""
    return list(sign_on.requests.filter(state__in=[State.REQUESTED, State.DECLINED]))


@transaction.atomic
def request_domain(sign_on: SingleSignOn, domain: str, editor: Editor) -> None:
    if sign_on.domains.filter(domain=domain).exists():
        return
    row = _set_requested(sign_on, Kind.DOMAIN, domain, editor.user)
    editor.record("requested", f"requested {row}", sign_on.organization)


@transaction.atomic
def remove_domain(sign_on: SingleSignOn, domain: str, editor: Editor) -> None:
    removed, _ = sign_on.domains.filter(domain=domain).delete()
    withdrawn, _ = sign_on.requests.filter(kind=Kind.DOMAIN, domain=domain).delete()
    if removed or withdrawn:
        editor.record("removed", f"removed the email domain {domain}", sign_on.organization)


@transaction.atomic
def request_trust(sign_on: SingleSignOn, editor: Editor) -> None:
    """Ask that addresses count as verified although the service does not say so."""
    if sign_on.addresses_verified:
        return
    row = _set_requested(sign_on, Kind.ADDRESSES_VERIFIED, by=editor.user)
    editor.record("requested", f"requested {row}", sign_on.organization)


@transaction.atomic
def approve_request(row: SignOnRequest, editor: Editor) -> bool:
    """Return False if it was decided or withdrawn meanwhile. Raises DomainTaken."""
    sign_on = _lock(row.single_sign_on)
    if not _decide(row, State.APPROVED, editor):
        return False
    if row.kind == Kind.DOMAIN:
        domains = SingleSignOnDomain.objects.filter(domain=row.domain)
        domain, _ = create_or_join(
            lambda: SingleSignOnDomain.objects.create(single_sign_on=sign_on, domain=row.domain),
            domains,
        )
        if domain.single_sign_on_id != sign_on.pk:
            raise DomainTaken
    else:
        SingleSignOn.objects.filter(pk=sign_on.pk).update(addresses_verified=True)
    editor.record("approved", f"approved {row}", sign_on.organization)
    return True


@transaction.atomic
def decline_request(row: SignOnRequest, editor: Editor) -> bool:
    if not _decide(row, State.DECLINED, editor):
        return False
    editor.record("declined", f"declined {row}", row.single_sign_on.organization)
    return True


def _decide(row: SignOnRequest, state: SignOnRequest.State, editor: Editor) -> bool:
    open_rows = SignOnRequest.objects.filter(pk=row.pk, state=State.REQUESTED)
    decision = {"state": state, "decided_by": editor.user, "decided_at": timezone.now()}
    return bool(open_rows.update(**decision))


def explain_not_ready(sign_on: SingleSignOn) -> str:
    """What is missing before it can be turned on or required; empty if nothing is."""
    if not sign_on.is_tested:
        return "Test your own sign-in first."
    if not sign_on.domains.exists():
        return "An email domain has to be approved first."
    return ""


@transaction.atomic
def turn_on(sign_on: SingleSignOn, editor: Editor) -> str:
    """Return what is missing; empty if it is on."""
    sign_on = _lock(sign_on)
    if missing := explain_not_ready(sign_on):
        return missing
    if SingleSignOn.objects.filter(pk=sign_on.pk, enabled=False).update(enabled=True):
        editor.record("turned_on", "turned on single sign-on", sign_on.organization)
    return ""


@transaction.atomic
def turn_off(sign_on: SingleSignOn, editor: Editor) -> None:
    rows = SingleSignOn.objects.filter(pk=sign_on.pk, enabled=True)
    if rows.update(enabled=False, required=False):
        editor.record("turned_off", "turned off single sign-on", sign_on.organization)


@transaction.atomic
def require_sign_on(sign_on: SingleSignOn, editor: Editor) -> str:
    """Return what is missing; empty if it is required."""
    sign_on = _lock(sign_on)
    missing = explain_not_ready(sign_on)
    if missing or not sign_on.enabled:
        return missing or "Turn single sign-on on first."
    rows = SingleSignOn.objects.filter(pk=sign_on.pk, enabled=True, required=False)
    if rows.update(required=True):
        editor.record("required", "made single sign-on required", sign_on.organization)
    return ""


@transaction.atomic
def make_optional(sign_on: SingleSignOn, editor: Editor) -> None:
    if SingleSignOn.objects.filter(pk=sign_on.pk, required=True).update(required=False):
        editor.record("optional", "made single sign-on optional", sign_on.organization)
