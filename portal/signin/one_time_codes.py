"""One-time codes: allauth keeps an authenticator app's secret; here it is kept encrypted."""

from __future__ import annotations

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from encrypted_model_fields import fields as encrypted

from portal.core.rekey import Kept


class CodesAdapter(DefaultMFAAdapter):
    """Encrypts with the portal's own keys."""

    def encrypt(self, text: str) -> str:
        return str(encrypted.CRYPTER.encrypt(text.encode()).decode())

    def decrypt(self, encrypted_text: str) -> str:
        return str(encrypted.CRYPTER.decrypt(encrypted_text.encode()).decode())


# allauth's names for what it encrypts: an app's secret, and what recovery codes are made from.
_SECRETS = ("secret", "seed")


class _Authenticators:
    """Where these secrets lie, for the move to a new key."""

    label = "mfa.Authenticator.data"

    def rows(self, after: int, most: int) -> list[tuple[int, str]]:
        kept = Authenticator.objects.filter(pk__gt=after).order_by("pk")[:most]
        return [(one.pk, self._secret(one)) for one in kept]

    def replace(self, pk: int, old: str, new: str) -> None:
        one = Authenticator.objects.get(pk=pk)
        if self._secret(one) == old:
            data = {k: new if v == old else v for k, v in one.data.items()}
            Authenticator.objects.filter(pk=pk, data=one.data).update(data=data)

    def _secret(self, one: Authenticator) -> str:
        return next((str(one.data[name]) for name in _SECRETS if one.data.get(name)), "")


KEPT: Kept = _Authenticators()
