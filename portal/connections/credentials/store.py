"""Stores a credential after Greenhouse has accepted it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.db import transaction

from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    AtsUnavailable,
    BadCredential,
    RateLimited,
    UnreadableResponse,
)
from integrations.ats.types import AccountSample
from integrations.greenhouse import credential_kinds
from integrations.greenhouse.provider import Provider
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
            "Greenhouse was disconnected or switched to another account in the meantime.",
        )


class AuthorizerNotSiteAdmin(CredentialRefused):
    pass


@dataclass(frozen=True)
class VerifiedCredential:
    """`secrets` that Greenhouse accepts, by field name."""

    secrets: Mapping[str, str] = field(repr=False)
    sample: AccountSample


def verify_secrets(
    connection: Connection,
    *,
    kind: str,
    secrets: Mapping[str, str],
    patience: float | None = None,
) -> VerifiedCredential:
    """Try `secrets` in Greenhouse, once also with client ID and secret swapped; `patience` is for
    web requests. Raises CredentialRefused, and AtsUnavailable or RateLimited while Greenhouse does
    not answer.
    """
    trial = _Trial(connection, patience)
    try:
        return trial.verify(kind, secrets)
    except (AtsUnavailable, RateLimited):
        raise
    except BadCredential as error:
        if isinstance(error.__cause__, ActingUserRefused):
            raise _build_reader_refusal() from error
        if kind == "harvest_oauth" and (swapped := _verify_swapped(trial, secrets)):
            return swapped
        raise _explain_refusal(trial, kind, secrets) from error
    except UnreadableResponse as error:
        sentence = "We couldn't read Greenhouse's answer. Try again in a minute."
        raise CredentialRefused(get_first_field(kind), sentence) from error
    except AtsError as error:
        raise CredentialRefused(get_first_field(kind), error.sentence) from error


def _verify_swapped(trial: _Trial, secrets: Mapping[str, str]) -> VerifiedCredential | None:
    swapped = {
        **secrets,
        "client_id": secrets["client_secret"],
        "client_secret": secrets["client_id"],
    }
    try:
        return trial.verify("harvest_oauth", swapped)
    except BadCredential as error:
        if isinstance(error.__cause__, ActingUserRefused):
            raise _build_reader_refusal() from error
        return None


def _build_reader_refusal() -> CredentialRefused:
    return CredentialRefused(
        "reader_id",
        "Greenhouse accepts the credential, but gives no access as this user. Check the user ID, "
        "and that this person is an active Site Admin.",
    )


class _Trial:
    """Providers that share a patience, in seconds."""

    def __init__(self, connection: Connection, patience: float | None) -> None:
        self._connection = connection
        self._ends_at = None if patience is None else time.monotonic() + patience

    def verify(self, kind: str, secrets: Mapping[str, str]) -> VerifiedCredential:
        """Raises AtsError."""
        provider = self.open_provider(kind, secrets)
        provider.verify_credential()
        return VerifiedCredential(secrets, provider.get_account_sample())

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
            "Greenhouse doesn't accept this API key. Check that you copied all of it and that it "
            f"hasn't been revoked. {credential_kinds.V1_RETIREMENT} If yours no longer works, "
            "create a Harvest v3 credential.",
        )
    # A v1 key in the v3 form is recognized by trying it.
    for name in ("client_id", "client_secret"):
        if _is_api_key(trial, secrets[name]):
            return DifferentKind(
                "harvest_key",
                name,
                "That's a v1 API key. Paste it here.",
            )
    return CredentialRefused(
        "client_secret",
        "Greenhouse doesn't accept this client ID and secret. Check that you copied all of both, "
        "that they belong together, and that at least one scope is selected for them.",
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
