"""Partners and what was consented to: a vendor's application, known to every account.

Documented: a code lives a minute, a refresh token a day and is replaced at each use; added scopes
need another consent, removed ones are gone at once; a Site Admin may let a service account own the
consent. Assumed: that a spent code or refresh token, shown again, ends everything that came of the
consent (RFC 6749 and 9700), that consents live side by side, and that PKCE is honoured (RFC 7636).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .clock import Clock
from .credentials import CLIENT_SUFFIX
from .permissions import ALL_SCOPES, scopes_named
from .settings import Settings
from .webhooks import is_loopback

# Sandbox values only, made up like those in ``credentials``.
PARTNER_CLIENT_ID = "sbx9Wd5MjXr2TgKyC6PbQnE8vH" + CLIENT_SUFFIX
PARTNER_CLIENT_SECRET = "sandbox-only-Jv6rN1cX8mP4tW7hB2kQ9yD5zL3gF0s"
PARTNER_NAME = "Inbound Talent"


@dataclass
class Partner:
    """A vendor's application: its registered scopes, and where consents may be sent back to.

    Without ``redirects`` any http address of this machine will do, or each demo would have to be
    registered first; Greenhouse registers addresses and compares them exactly.
    """

    client_id: str
    client_secret: str
    name: str
    scopes: set[str]
    redirects: list[str] = field(default_factory=list)
    service_users: dict[str, int] = field(default_factory=dict)  # by account

    def takes_back(self, address: str) -> bool:
        """Whether a consent may be sent back to this address."""
        if self.redirects:
            return address in self.redirects
        parts = urlsplit(address)
        return parts.scheme == "http" and is_loopback(parts.hostname) and not parts.fragment

    def remove(self, names: Iterable[str]) -> None:
        """Take scopes away; documented to bite at once, for living tokens too."""
        self.scopes -= scopes_named(names)

    def grant(self, names: Iterable[str]) -> None:
        """Register more scopes; those who consented before do not have them yet."""
        self.scopes |= scopes_named(names)


@dataclass
class Consent:
    """What somebody agreed to. Looks like a client to whatever answers under ``/v3``."""

    number: int
    partner: Partner = field(repr=False)
    account: str
    agreed_by: int
    user_id: int  # who acts: the person, or the account's service user
    agreed: set[str]
    serial: int = 0  # of the one refresh token that may still be used
    refresh_until: float = 0.0
    ended: str = ""  # why, "" while it lives

    @property
    def client_id(self) -> str:
        """What its rate windows are kept under: each account has a partner's allowance."""
        return f"{self.partner.client_id}:{self.account}"

    @property
    def label(self) -> str:
        """Name it without giving anything away."""
        return f"v3:{self.account}:consent {self.number}"

    @property
    def scopes(self) -> set[str]:
        """What it is good for now: agreed to, and still registered."""
        return self.agreed & self.partner.scopes


@dataclass
class Code:
    """An authorization code, for one use within a minute."""

    consent: Consent
    redirect: str
    challenge: str
    until: float
    used: bool = False


class NotGranted(Exception):
    """The code or refresh token is no good: RFC 6749's ``invalid_grant``."""


class Consents:
    """Every partner and every consent of a sandbox."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        secret: bytes,
        add_service_user: Callable[[str, bool], int],
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._secret = secret
        self._add_service_user = add_service_user
        self._changed = changed
        self.partners: dict[str, Partner] = {}
        self.rows: dict[int, Consent] = {}
        self._codes: dict[str, Code] = {}

    def add_well_known(self) -> None:
        """Add the partner that every sandbox has."""
        self.partners[PARTNER_CLIENT_ID] = Partner(
            PARTNER_CLIENT_ID, PARTNER_CLIENT_SECRET, PARTNER_NAME, set(ALL_SCOPES)
        )

    # Agreeing

    def agree(
        self,
        partner: Partner,
        account: str,
        by: int,
        scopes: Iterable[str],
        *,
        service_account: bool,
    ) -> Consent:
        """Somebody agrees. With a service account the consent is not theirs but the account's."""
        subject = self._service_user(partner, account) if service_account else by
        if self._settings.consent_replaces:
            for row in self.living(account, subject):
                row.ended = "another consent took its place"
        number = len(self.rows) + 1
        row = Consent(number, partner, account, by, subject, set(scopes))
        self.rows[number] = row
        self._changed()
        return row

    def _service_user(self, partner: Partner, account: str) -> int:
        if account not in partner.service_users:
            partner.service_users[account] = self._add_service_user(account, True)
        return partner.service_users[account]

    def living(self, account: str, user_id: int | None = None) -> list[Consent]:
        """Give the consents of an account (and of who acts by them) that have not ended."""
        return [
            row
            for row in self.rows.values()
            if row.account == account and not row.ended and user_id in (None, row.user_id)
        ]

    def withdraw(self, account: str = "acme", user_id: int | None = None) -> int:
        """End consents as if somebody disconnected the integration in Greenhouse."""
        ended = self.living(account, user_id)
        for row in ended:
            row.ended = "disconnected in Greenhouse"
        self._changed()
        return len(ended)

    # Codes and refresh tokens

    def code(self, consent: Consent, redirect: str, challenge: str) -> str:
        """Give a code for the way back."""
        text = self._sealed(f"code.{consent.number}")
        until = self._now() + self._settings.code_lifetime
        self._codes[text] = Code(consent, redirect, challenge, until)
        return text

    def redeem(self, partner: Partner, text: str, redirect: str | None, verifier: str) -> Consent:
        """Take a code. Raises NotGranted; a code shown twice ends what came of it."""
        code = self._codes.get(text)
        if code is None or code.consent.partner is not partner:
            raise NotGranted
        if code.used:
            self._end(code.consent, "a code was used twice")
        if code.until <= self._now() or redirect not in (None, "", code.redirect):
            raise NotGranted
        if self._settings.pkce and code.challenge and not _answers(code.challenge, verifier):
            raise NotGranted
        if code.consent.ended:
            raise NotGranted
        code.used = True
        return code.consent

    def refresh(self, partner: Partner, text: str) -> Consent:
        """Take a refresh token. Raises NotGranted; a spent one ends the whole family."""
        head, _, seal = text.rpartition(".")
        kind, _, place = head.partition(".")
        if kind != "refresh" or not hmac.compare_digest(seal, self._seal(head)):
            raise NotGranted
        number, _, serial = place.partition(".")
        row = self.rows.get(int(number))
        if row is None or row.partner is not partner or row.ended:
            raise NotGranted
        if int(serial) != row.serial:
            self._end(row, "a refresh token was used twice")
        if row.refresh_until <= self._now():
            raise NotGranted
        return row

    def next_refresh_token(self, row: Consent) -> str:
        """Give the one refresh token that counts from now on."""
        row.serial += 1
        row.refresh_until = self._now() + self._settings.refresh_lifetime
        self._changed()
        return self._sealed(f"refresh.{row.number}.{row.serial}")

    def revoke(self, partner: Partner, text: str) -> None:
        """End the family of a refresh token (RFC 7009: nothing is said about a strange one)."""
        head, _, seal = text.rpartition(".")
        parts = head.split(".")
        if parts[0] == "refresh" and hmac.compare_digest(seal, self._seal(head)):
            row = self.rows.get(int(parts[1]))
            if row and row.partner is partner and not row.ended:
                row.ended = "revoked by the partner"
                self._changed()

    def _end(self, row: Consent, why: str) -> None:
        row.ended = row.ended or why
        self._changed()
        raise NotGranted

    def _now(self) -> float:
        return self._clock().timestamp()

    def _sealed(self, head: str) -> str:
        return f"{head}.{self._seal(head)}"

    def _seal(self, head: str) -> str:
        return hmac.new(self._secret, head.encode(), hashlib.sha256).hexdigest()

    # Keeping

    def to_state(self) -> dict[str, Any]:
        """Give everything that outlives the process; codes do not."""
        return {
            "partners": [
                asdict(partner) | {"scopes": sorted(partner.scopes)}
                for partner in self.partners.values()
            ],
            "consents": [
                {
                    "number": row.number,
                    "partner": row.partner.client_id,
                    "account": row.account,
                    "agreed_by": row.agreed_by,
                    "user_id": row.user_id,
                    "agreed": sorted(row.agreed),
                    "serial": row.serial,
                    "refresh_until": row.refresh_until,
                    "ended": row.ended,
                }
                for row in self.rows.values()
            ],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`to_state` gave."""
        for row in state["partners"]:
            self.partners[row["client_id"]] = Partner(**(row | {"scopes": set(row["scopes"])}))
        for row in state["consents"]:
            partner = self.partners[row["partner"]]
            self.rows[row["number"]] = Consent(
                **(row | {"partner": partner, "agreed": set(row["agreed"])})
            )


def _answers(challenge: str, verifier: str) -> bool:
    """Whether this verifier is behind the challenge (S256)."""
    return hmac.compare_digest(challenge, _b64(hashlib.sha256(verifier.encode()).digest()))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
