"""Entering a credential: tried live first, saved only when Greenhouse accepts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import transaction

from integrations.ats.errors import AtsError, BadCredential
from integrations.ats.port import AccountSample
from portal.accounts.models import User
from portal.connections.endings import end_with
from portal.connections.models import Connection, Credential
from portal.connections.open import open_on_trial
from portal.core import transitions
from portal.core.secrets import fingerprint

# The mirrored users and jobs are not this room's; whoever calls brings the comparison.
SameAccount = Callable[[AccountSample], bool]


class Refused(Exception):
    """The credential was not saved. `sentence` belongs next to `field` of the form."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        self.sentence = sentence
        super().__init__(sentence)


class AnotherKind(Refused):
    """It is a credential of another kind than was said: `kind`, which Greenhouse accepts."""

    def __init__(self, kind: str, field: str, sentence: str) -> None:
        self.kind = kind
        super().__init__(field, sentence)


class AnotherAccount(Refused):
    """It opens another Greenhouse account than the connected one."""


class AnotherPerson(Refused):
    """They agreed as somebody else than they are here, or Greenhouse does not say as whom."""


class Ended(Refused):
    """The connection it was meant for ended while it was tried."""

    def __init__(self) -> None:
        super().__init__(
            "",
            "Greenhouse was disconnected here meanwhile, or changed to another account. "
            "Nothing was saved.",
        )


class NoSiteAdmin(Refused):
    """Whoever agreed is no Site Admin, so Greenhouse shows it nothing."""


def enter(
    connection: Connection,
    *,
    kind: str,
    secrets: Mapping[str, str],
    by: User,
    same_account: SameAccount,
    beside: bool = False,
) -> Credential:
    """Try `secrets` (by field name of the kind) and make them the connection's credential.

    With `beside` they wait beside the one in use. Raises Refused, with what was there left intact,
    when Greenhouse does not accept the credential, accepts it as another kind (AnotherKind), does
    not answer, or (AnotherAccount) answers for another account than the connected one; and Ended
    when somebody disconnected meanwhile.
    """
    mark = fingerprint(kind, *secrets.values())
    provider = open_on_trial(connection, kind, secrets, key=mark)
    try:
        provider.try_credential()
        sample = provider.account_sample()
    except BadCredential as error:
        raise _bad(connection, kind, secrets) from error
    except AtsError as error:
        raise Refused(_first_field(kind), f"{error.sentence} Nothing was saved.") from error
    if not same_account(sample):
        raise AnotherAccount(
            _first_field(kind),
            "This credential opens another Greenhouse account than the one that is connected. "
            "Nothing was saved. Use a credential of the connected account.",
        )
    return _save(connection, kind, secrets, mark, by, beside=beside)


def _first_field(kind: str) -> str:
    return "api_key" if kind == "harvest_key" else "client_id"


def _bad(connection: Connection, kind: str, secrets: Mapping[str, str]) -> Refused:
    """Why it was refused, as well as it can be told; a v1 key in the v3 form is found by trying."""
    if kind == "harvest_key":
        return Refused(
            "api_key",
            "Greenhouse does not accept this API key. Check that it was copied whole and has not "
            "been revoked. API keys (Harvest v1) were retired by Greenhouse on 31 August 2026: if "
            "yours no longer works, make Harvest v3 credentials instead.",
        )
    for field in ("client_id", "client_secret"):
        if _is_api_key(connection, secrets[field]):
            return AnotherKind(
                "harvest_key",
                field,
                "What you pasted is a Harvest v1 API key, and it belongs here. Please paste it "
                "once more. Nothing was saved.",
            )
    return Refused(
        "client_secret",
        "Greenhouse does not accept this client ID with this secret. Check that both were copied "
        "whole and belong together, and that at least one scope is ticked for them.",
    )


def _is_api_key(connection: Connection, value: str) -> bool:
    mark = fingerprint("harvest_key", value)
    provider = open_on_trial(connection, "harvest_key", {"api_key": value}, key=mark)
    try:
        provider.try_credential()
    except AtsError:
        return False
    return True


def destroy(credential: Credential, *, by: User | None, why: str) -> None:
    """Empty it for good: only its kind, last four and fingerprint stay."""
    end_with(credential, why=why, by=by)
    transitions.move(
        credential,
        Credential.State.DESTROYED,
        why=why,
        by=by,
        field="state",
        secret="",
        client_id="",
        reader_id=None,
    )


def make_way(connection: Connection, *, by: User, beside: bool) -> None:
    """Empty what a new credential replaces. For a transaction that then stores the new one.

    Trying it took seconds. Raises Ended where the connection, as it was read before, has ended
    since: whoever ended it was told that nothing is left.
    """
    now = Connection.objects.select_for_update().get(pk=connection.pk)
    left = now.state == Connection.State.DISCONNECTED and connection.state != now.state
    if left or now.emptying or (beside and now.credential is None):
        raise Ended
    replaced = connection.credentials.exclude(state=Credential.State.DESTROYED)
    if beside:
        replaced = replaced.filter(state=Credential.State.BESIDE)
    for old in replaced:
        destroy(old, by=by, why="a new one was entered")


@transaction.atomic
def _save(
    connection: Connection,
    kind: str,
    secrets: Mapping[str, str],
    mark: str,
    by: User,
    *,
    beside: bool,
) -> Credential:
    """One credential is in use; what the new one replaces is emptied."""
    make_way(connection, by=by, beside=beside)
    secret = secrets["api_key"] if kind == "harvest_key" else secrets["client_secret"]
    return Credential.objects.create(
        connection=connection,
        kind=kind,
        client_id=secrets.get("client_id", ""),
        secret=secret,
        reader_id=int(secrets["reader_id"]) if secrets.get("reader_id") else None,
        last_four=secret[-4:],
        fingerprint=mark,
        state=Credential.State.BESIDE if beside else Credential.State.IN_USE,
        entered_by=by,
    )
