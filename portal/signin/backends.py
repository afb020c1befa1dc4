from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend

from portal.accounts.models import User


class PasswordBackend(AuthenticationBackend):
    """Looks accounts up by normalized email; allauth's own backend lowercases beyond ASCII."""

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        user: User | None = User.objects.filter(email=email).first()
        return user if self._check_password(user, password) else None
