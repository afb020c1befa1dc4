"""View as: our staff sees what a customer's person sees, and can do nothing there.

It holds by four things: `membership_of` answers with the person's place, so every page decides as
for that person; every method that is not safe is refused; the database takes no write meanwhile
(portal.core.readonly); and it ends by the clock. Its begin and its end stand in the customer's log.
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

from portal.accounts.access import stand_in
from portal.accounts.models import Membership, User
from portal.audit.record import record
from portal.core import readonly
from portal.support.models import Look

LONGEST = timedelta(minutes=30)
MAY = "support.look_as"
_KEY = "look"
_SAFE = {"GET", "HEAD", "OPTIONS"}


class NotTheirs(Exception):
    """Staff is not looked at: only people of customers are."""


def begin(request: HttpRequest, membership: Membership, *, reason: str) -> Look:
    """Look as this person from the next request on. Ends an earlier look of the same staff.

    Raises NotTheirs when the person is one of our staff: their pages show more than a customer's.
    """
    if membership.user.is_staff:
        raise NotTheirs
    by = _user(request)
    with transaction.atomic():
        for earlier in Look.objects.filter(by=by, ended_at=None):
            end(earlier, why="began another one", request=request)
        look = Look.objects.create(
            by=by,
            organization=membership.organization,
            membership=membership,
            reason=reason[:200],
            until=timezone.now() + LONGEST,
        )
        record(
            "look.began",
            f"began to look at the portal as {membership.user}, read-only: {reason}",
            organization=membership.organization,
            by=by,
            subject=membership,
            request=request,
        )
    request.session[_KEY] = look.pk
    return look


def end(look: Look, *, why: str, request: HttpRequest | None = None) -> bool:
    """End a look, once; False when it had ended already."""
    with transaction.atomic():
        if not Look.objects.filter(pk=look.pk, ended_at=None).update(ended_at=timezone.now()):
            return False
        whom = look.membership.user if look.membership else "somebody who has left"
        record(
            "look.ended",
            f"no longer looks at the portal as {whom}: {why}",
            organization=look.organization,
            by=look.by,
            subject=look.membership,
            request=request,
        )
    return True


def stop(request: HttpRequest) -> Look | None:
    """End the look of this session; gives it, if there was one."""
    pk = request.session.pop(_KEY, None)
    look = _of(request).filter(pk=pk).first() if pk else None
    if look:
        end(look, why="was done", request=request)
    return look


def sweep() -> None:
    """End the looks whose time is up and whose owner never came back."""
    for look in Look.objects.filter(ended_at=None, until__lt=timezone.now()).select_related(
        "organization", "membership__user", "by"
    ):
        end(look, why="the time was up")


@receiver(user_logged_out)
def _signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        for look in Look.objects.filter(by=user, ended_at=None):
            end(look, why="signed out")


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  (for the type; the admin asks for staff)
    return request.user


def _of(request: HttpRequest) -> Any:
    found = Look.objects.filter(by_id=request.user.pk, ended_at=None)
    return found.select_related("organization", "membership__organization", "membership__user")


def _is_there(look: Look) -> bool:
    return look.membership is not None and look.membership.ended_at is None


class Looking:
    """Middleware: puts the person's place under the request while a look holds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        look = self._present(request)
        if look is None or look.membership is None:
            return self.get_response(request)
        request.look = look  # type: ignore[attr-defined]
        stand_in(request, look.membership)
        if request.path in {reverse("admin:look_stop"), reverse("account_logout")}:
            return self.get_response(request)
        if request.method not in _SAFE:
            return self._refused(request)
        if request.path.startswith(reverse("admin:index")):
            return self.get_response(request)  # their own desk, still to read
        with readonly.looking():
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return self._refused(request) if isinstance(error, readonly.WouldWrite) else None

    def _refused(self, request: HttpRequest) -> HttpResponse:
        return render(request, "support/only_looking.html", status=403)

    def _present(self, request: HttpRequest) -> Look | None:
        """The look that holds for this request; one that no longer may is ended here."""
        pk = request.session.get(_KEY)
        if pk is None:
            return None
        look: Look | None = _of(request).filter(pk=pk).first() if request.user.is_staff else None
        if look and look.until > timezone.now() and _is_there(look) and request.user.has_perm(MAY):
            return look
        del request.session[_KEY]
        if look:
            end(look, why="the time was up", request=request)
            messages.info(request, "The time to look was up. You are yourself again.")
        return None
