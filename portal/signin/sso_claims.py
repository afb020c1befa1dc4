"""Which email address a provider's claims vouch for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from integrations.ats.emails import is_lookalike_email, normalize_email
from portal.signin.models import SingleSignOn


class AddressNotVerified(Exception):
    """The claims vouch for no address; `message` names the claim that is missing or wrong."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


def get_verified_email(claims: Mapping[str, Any], sign_on: SingleSignOn) -> str:
    """Return the normalized address, or raise AddressNotVerified."""
    email = claims.get("email")
    if not isinstance(email, str) or not email.strip():
        raise AddressNotVerified(f"{sign_on.name} sent no email address (claim “email”).")
    if not _is_usable_email(email):
        raise AddressNotVerified(
            f"{sign_on.name} sent an address that can't be used here (claim “email”): {email[:254]}"
        )
    verified = _parse_boolean(claims.get("email_verified"))
    if verified is None and sign_on.addresses_verified:
        verified = True
    if verified is None:
        raise AddressNotVerified(
            f"{sign_on.name} did not say whether {email} is verified (claim “email_verified”)."
        )
    if not verified:
        raise AddressNotVerified(
            f"{sign_on.name} says that {email} is not verified (claim “email_verified”)."
        )
    return normalize_email(email)


def _is_usable_email(email: str) -> bool:
    try:
        validate_email(normalize_email(email))
    except ValidationError:
        return False
    return not is_lookalike_email(email)


def _parse_boolean(value: object) -> bool | None:
    """Return None if the claim is absent. Amazon Cognito, for example, sends text."""
    if value is None or value == "":
        return None
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")
