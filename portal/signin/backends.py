from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend
from django.db.models import QuerySet

from portal.accounts.models import User
from portal.core.database.compiled_queries import compile_once
from portal.core.database.prepared_statements import use_prepared_statements


class PasswordBackend(AuthenticationBackend):
    """Looks accounts up by normalized email; allauth's own backend lowercases beyond ASCII."""

    @use_prepared_statements()
    def get_user(self, user_id: int) -> User | None:
        users = _find_user(int(user_id))
        return next((user for user in users if self.user_can_authenticate(user)), None)

    def _authenticate_by_email(self, email: str, password: str) -> User | None:
        user: User | None = User.objects.filter(email=email).first()
        return user if self._check_password(user, password) else None


@compile_once
def _find_user(user_id: int) -> QuerySet[User]:
    return User.objects.filter(pk=user_id)
