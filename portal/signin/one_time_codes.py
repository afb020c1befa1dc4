"""Encrypts the authenticator secrets that allauth stores."""

from __future__ import annotations

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from encrypted_model_fields import fields as encrypted

from portal.core.secrets.key_rotation import SecretStore


class EncryptedMfaAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return str(encrypted.CRYPTER.encrypt(text.encode()).decode())

    def decrypt(self, encrypted_text: str) -> str:
        return str(encrypted.CRYPTER.decrypt(encrypted_text.encode()).decode())


# allauth's keys: the app's secret, and the seed of the recovery codes.
_SECRET_KEYS = ("secret", "seed")


class _AuthenticatorSecretStore:
    label = "mfa.Authenticator.data"

    def list_rows(self, after: int, limit: int) -> list[tuple[int, str]]:
        authenticators = Authenticator.objects.filter(pk__gt=after).order_by("pk")[:limit]
        return [
            (authenticator.pk, self._get_ciphertext(authenticator))
            for authenticator in authenticators
        ]

    def replace_ciphertext(self, pk: int, old: str, new: str) -> None:
        authenticator = Authenticator.objects.get(pk=pk)
        if self._get_ciphertext(authenticator) == old:
            data = {k: new if v == old else v for k, v in authenticator.data.items()}
            Authenticator.objects.filter(pk=pk, data=authenticator.data).update(data=data)

    def _get_ciphertext(self, authenticator: Authenticator) -> str:
        return next(
            (
                str(authenticator.data[name])
                for name in _SECRET_KEYS
                if authenticator.data.get(name)
            ),
            "",
        )


SECRET_STORE: SecretStore = _AuthenticatorSecretStore()
