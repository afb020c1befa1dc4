"""Impersonation: staff view the portal as a customer's member, read-only and time-limited.

Membership lookups return the member's, unsafe methods are refused, and the database rejects
writes (portal.core.database.read_only). Start and end are recorded in the customer's log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from portal.accounts.access import impersonate_membership
from portal.accounts.models import Membership, User
from portal.audit.entries import record_entry
from portal.core.database import read_only
from portal.core.tenancy.scope import all_organizations
from portal.support.models import Impersonation

MAX_DURATION = timedelta(minutes=30)
IMPERSONATE_PERMISSION = "support.impersonate_member"
_SESSION_KEY = "impersonation"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class CannotImpersonateStaff(Exception):
    """Staff pages show more than a customer's, so only customers' members can be viewed."""


def start_impersonation(
    request: HttpRequest, membership: Membership, *, reason: str
) -> Impersonation:
    """Impersonate from the next request on, ending the user's earlier impersonation.

    Raises CannotImpersonateStaff.
    """
    if membership.user.is_staff:
        raise CannotImpersonateStaff
    by = _get_staff_user(request)
    with transaction.atomic():
        for previous in Impersonation.objects.filter(by=by, ended_at=None):
            end_impersonation(previous, why="began another one", request=request)
        impersonation = Impersonation.objects.create(
            by=by,
            organization=membership.organization,
            membership=membership,
            reason=reason[:200],
            expires_at=timezone.now() + MAX_DURATION,
        )
        record_entry(
            "impersonation.started",
            f"started viewing the portal as {membership.user}, read-only: {reason}",
            organization=membership.organization,
            by=by,
            subject=membership,
            request=request,
        )
    request.session[_SESSION_KEY] = impersonation.pk
    return impersonation


def end_impersonation(
    impersonation: Impersonation, *, why: str, request: HttpRequest | None = None
) -> bool:
    """Return False if it had ended already."""
    with transaction.atomic():
        if not Impersonation.objects.filter(pk=impersonation.pk, ended_at=None).update(
            ended_at=timezone.now()
        ):
            return False
        member_name = (
            impersonation.membership.user if impersonation.membership else "a former member"
        )
        record_entry(
            "impersonation.ended",
            f"stopped viewing the portal as {member_name}: {why}",
            organization=impersonation.organization,
            by=impersonation.by,
            subject=impersonation.membership,
            request=request,
        )
    return True


def stop_impersonation(request: HttpRequest) -> Impersonation | None:
    """End and return this session's impersonation, if any."""
    pk = request.session.pop(_SESSION_KEY, None)
    impersonation = _list_active_impersonations(request).filter(pk=pk).first() if pk else None
    if impersonation:
        end_impersonation(impersonation, why="ended by staff", request=request)
    return impersonation


def end_expired_impersonations() -> None:
    for impersonation in Impersonation.objects.filter(
        ended_at=None, expires_at__lt=timezone.now()
    ).select_related("organization", "membership__user", "by"):
        end_impersonation(impersonation, why="time limit reached")


@receiver(user_logged_out)
@all_organizations("staff may have viewed any customer")
def _end_on_sign_out(user: User | None, **_: Any) -> None:
    if user is not None:
        for impersonation in Impersonation.objects.filter(by=user, ended_at=None):
            end_impersonation(impersonation, why="signed out")


def _get_staff_user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  (for the type; the admin asks for staff)
    return request.user


def _list_active_impersonations(request: HttpRequest) -> Any:
    impersonations = Impersonation.objects.filter(by_id=request.user.pk, ended_at=None)
    return impersonations.select_related(
        "organization", "membership__organization", "membership__user"
    )


def _is_member_active(impersonation: Impersonation) -> bool:
    return impersonation.membership is not None and impersonation.membership.ended_at is None


class ImpersonationMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        impersonation = self._get_active_impersonation(request)
        if impersonation is None or impersonation.membership is None:
            return self.get_response(request)
        request.impersonation = impersonation  # type: ignore[attr-defined]
        impersonate_membership(request, impersonation.membership)
        if request.path in {reverse("admin:stop_impersonation"), reverse("account_logout")}:
            return self.get_response(request)
        if request.method not in _SAFE_METHODS:
            return self._render_refusal(request)
        if request.path.startswith(reverse("admin:index")):
            return self.get_response(request)  # the admin stays readable
        with read_only.forbid_writes():
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return (
            self._render_refusal(request) if isinstance(error, read_only.WriteForbidden) else None
        )

    def _render_refusal(self, request: HttpRequest) -> HttpResponse:
        return render(request, "support/impersonation_read_only.html", status=403)

    @all_organizations("the session names the impersonation")
    def _get_active_impersonation(self, request: HttpRequest) -> Impersonation | None:
        pk = request.session.get(_SESSION_KEY)
        if pk is None:
            return None
        impersonation: Impersonation | None = (
            _list_active_impersonations(request).filter(pk=pk).first()
            if request.user.is_staff
            else None
        )
        if (
            impersonation
            and impersonation.expires_at > timezone.now()
            and _is_member_active(impersonation)
            and request.user.has_perm(IMPERSONATE_PERMISSION)
        ):
            return impersonation
        del request.session[_SESSION_KEY]
        if impersonation:
            end_impersonation(impersonation, why="time limit reached", request=request)
            messages.info(
                request, "Your time viewing as someone else has ended. You're back as yourself."
            )
        return None
