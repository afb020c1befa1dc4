"""allauth's adapter for accounts: no open sign-up, and rate limits that know a person's devices."""

from __future__ import annotations

import time
from typing import Any, cast

from allauth.account import app_settings as account_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import ratelimit
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.mail import EmailMessage
from django.http import HttpRequest

from integrations.ats.emails import normalize_email
from portal.signin import known_devices
from portal.web.client_ip import get_client_ip

ACCOUNT_DISABLED_MESSAGE = (
    "Your account is deactivated. Ask your customer success manager to reactivate it."
)


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "Incorrect email or password.",
        "too_many_login_attempts": "Too many attempts. Try again in five minutes, or reset your "
        "password.",
        "incorrect_password": "Incorrect password.",
        "enter_current_password": "Incorrect current password.",
        "invalid_password_reset": "This link no longer works. Send a new one.",
        "account_inactive": ACCOUNT_DISABLED_MESSAGE,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def render_mail(self, template_prefix: str, *args: Any, **kwargs: Any) -> EmailMessage:
        message: Any = super().render_mail(template_prefix, *args, **kwargs)
        message.kind = template_prefix.rsplit("/", 1)[-1]  # shown by the outbox
        return cast(EmailMessage, message)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        email = normalize_email(str(credentials.get("email", "")))
        device = known_devices.find_device(request, email)
        return f"device:{device}" if device else f"email:{email}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        self._is_locked = False
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            # Whoever also has a one-time code may go on; `authenticate` refuses all others.
            if not ratelimit.consume(request, action="login_while_locked"):
                raise
            self._is_locked = True

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        user: AbstractBaseUser | None = super().authenticate(request, **credentials)
        if self._is_locked and not (user and is_mfa_enabled(user)):
            raise self.validation_error("too_many_login_attempts")
        return user

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Whoever signed in a moment ago has just confirmed who they are."""
        records = get_authentication_records(self.request, self.request.user)
        latest_at = max((record["at"] for record in records), default=0)
        if time.time() - latest_at < account_settings.REAUTHENTICATION_TIMEOUT:
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def get_client_ip(self, request: HttpRequest) -> str:
        address = get_client_ip(request)
        if address is None:  # sign-in attempts could not be rate-limited
            raise PermissionDenied("The client's address is unknown: check TRUSTED_PROXIES")
        return address
