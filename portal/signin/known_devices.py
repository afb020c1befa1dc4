"""Browsers that somebody has signed in with, remembered in a signed cookie.

Wrong passwords lock an account for a while. From a known browser of the account they are counted
apart, so that others cannot lock its owner out by guessing.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string

from integrations.ats.emails import normalize_email
from portal.accounts.models import User

_SALT = "portal.signin.known_devices"
MAX_AGE = 180 * 24 * 60 * 60  # seconds


def remember_device(request: HttpRequest, user: User) -> None:
    """Have the response mark this browser as one that `user` proved to be theirs."""
    request._known_device_user = user  # type: ignore[attr-defined]


def find_device(request: HttpRequest, email: str) -> str | None:
    """Return the ID of the browser if the account with this email is known to use it."""
    try:
        user_id, device = signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=_SALT, max_age=MAX_AGE
        )
    except (signing.BadSignature, ValueError, TypeError):
        return None
    is_own = User.objects.filter(pk=user_id, email=normalize_email(email)).exists()
    return str(device) if is_own else None


class KnownDeviceMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        user = getattr(request, "_known_device_user", None)
        if user is not None:
            device = find_device(request, user.email) or get_random_string(22)
            response.set_cookie(
                settings.DEVICE_COOKIE_NAME,
                signing.dumps([user.pk, device], salt=_SALT),
                max_age=MAX_AGE,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response
