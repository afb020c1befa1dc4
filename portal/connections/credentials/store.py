"""Stores a credential after Greenhouse has accepted it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from django.db import transaction

from integrations.ats.errors import AtsError, AtsUnavailable, BadCredential, RateLimited
from integrations.ats.provider import AccountSample, Provider
from portal.accounts.models import User
from portal.connections.client import open_trial_provider
from portal.connections.models import Connection, Credential, CredentialTest
from portal.connections.oauth.revocation import revoke_credential_consents
from portal.core import transitions
from portal.core.secrets.secret_field import fingerprint_secrets

# Compares a sample with synced data, which this package may not import.
AccountMatcher = Callable[[AccountSample], bool]


class CredentialRefused(Exception):
    """The credential was not saved; `sentence` belongs next to the form's `field`."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        self.sentence = sentence
        super().__init__(sentence)


class DifferentKind(CredentialRefused):
    """Greenhouse accepts the credential, but as another kind: `kind`."""

    def __init__(self, kind: str, field: str, sentence: str) -> None:
        self.kind = kind
        super().__init__(field, sentence)


class DifferentAccount(CredentialRefused):
    pass


class DifferentPerson(CredentialRefused):
    """The consent is another Greenhouse user's, or Greenhouse does not say whose."""


class ConnectionEnded(CredentialRefused):
    def __init__(self) -> None:
        super().__init__(
            "",
            "Greenhouse was disconnected here meanwhile, or changed to another account. "
            "Nothing was saved.",
        )


class AuthorizerNotSiteAdmin(CredentialRefused):
    pass


def verify_secrets(
    connection: Connection,
    *,
    kind: str,
    secrets: Mapping[str, str],
    patience: float | None = None,
) -> AccountSample:
    """Try `secrets` (by field name) in Greenhouse; `patience` is for web requests. Raises
    CredentialRefused, and AtsUnavailable or RateLimited while Greenhouse does not answer.
    """
    trial = _Trial(connection, patience)
    provider = trial.open_provider(kind, secrets)
    try:
        provider.verify_credential()
        return provider.get_account_sample()
    except (AtsUnavailable, RateLimited):
        raise
    except BadCredential as error:
        raise _explain_refusal(trial, kind, secrets) from error
    except AtsError as error:
        raise CredentialRefused(
            get_first_field(kind), f"{error.sentence} Nothing was saved."
        ) from error


class _Trial:
    """Providers that share a patience, in seconds."""

    def __init__(self, connection: Connection, patience: float | None) -> None:
        self._connection = connection
        self._ends_at = None if patience is None else time.monotonic() + patience

    def open_provider(self, kind: str, secrets: Mapping[str, str]) -> Provider:
        patience = None if self._ends_at is None else max(0.1, self._ends_at - time.monotonic())
        fingerprint = fingerprint_secrets(kind, *secrets.values())
        return open_trial_provider(
            self._connection, kind, secrets, key=fingerprint, patience=patience
        )


def get_first_field(kind: str) -> str:
    return "api_key" if kind == "harvest_key" else "client_id"


def _explain_refusal(trial: _Trial, kind: str, secrets: Mapping[str, str]) -> CredentialRefused:
    if kind == "harvest_key":
        return CredentialRefused(
            "api_key",
            "Greenhouse does not accept this API key. Check that it was copied whole and has not "
            "been revoked. API keys (Harvest v1) were retired by Greenhouse on 31 August 2026: if "
            "yours no longer works, make Harvest v3 credentials instead.",
        )
    # A v1 key in the v3 form is recognized by trying it.
    for field in ("client_id", "client_secret"):
        if _is_api_key(trial, secrets[field]):
            return DifferentKind(
                "harvest_key",
                field,
                "What you pasted is a Harvest v1 API key, and it belongs here. Please paste it "
                "once more. Nothing was saved.",
            )
    return CredentialRefused(
        "client_secret",
        "Greenhouse does not accept this client ID with this secret. Check that both were copied "
        "whole and belong together, and that at least one scope is ticked for them.",
    )


def _is_api_key(trial: _Trial, value: str) -> bool:
    try:
        trial.open_provider("harvest_key", {"api_key": value}).verify_credential()
    except (AtsUnavailable, RateLimited):
        raise
    except AtsError:
        return False
    return True


def destroy_credential(credential: Credential, *, by: User | None, why: str) -> None:
    """Erase the secrets; kind, last four characters and fingerprint remain."""
    revoke_credential_consents(credential, why=why, by=by)
    transitions.move_state(
        credential,
        Credential.State.DELETED,
        why=why,
        by=by,
        field="state",
        secret="",
        client_id="",
        reader_id=None,
    )


def destroy_replaced_credentials(connection: Connection, *, by: User, as_pending: bool) -> None:
    """Locks the connection, and ends tests of other credentials. Raises ConnectionEnded if it was
    disconnected since it was read.
    """
    current = Connection.objects.select_for_update().get(pk=connection.pk)
    has_ended = current.state == Connection.State.DISCONNECTED and connection.state != current.state
    if has_ended or current.data_deletion_pending or (as_pending and current.credential is None):
        raise ConnectionEnded
    replaced = connection.credentials.exclude(state=Credential.State.DELETED)
    if as_pending:
        replaced = replaced.filter(state=Credential.State.PENDING)
    for credential in replaced:
        destroy_credential(credential, by=by, why="a new one was entered")
    connection.credential_tests.filter(status__in=CredentialTest.OPEN).delete()


@transaction.atomic
def save_credential(
    connection: Connection,
    *,
    kind: str,
    secrets: Mapping[str, str],
    by: User,
    as_pending: bool,
) -> Credential:
    """Store a tested credential. `as_pending` leaves the credential in use. Raises
    ConnectionEnded.
    """
    destroy_replaced_credentials(connection, by=by, as_pending=as_pending)
    secret = secrets["api_key"] if kind == "harvest_key" else secrets["client_secret"]
    return Credential.objects.create(
        connection=connection,
        kind=kind,
        client_id=secrets.get("client_id", ""),
        secret=secret,
        reader_id=int(secrets["reader_id"]) if secrets.get("reader_id") else None,
        last_four=secret[-4:],
        fingerprint=fingerprint_secrets(kind, *secrets.values()),
        state=Credential.State.PENDING if as_pending else Credential.State.IN_USE,
        entered_by=by,
    )
