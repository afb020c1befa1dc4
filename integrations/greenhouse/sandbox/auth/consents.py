"""Users' consents to partners' applications.

Documented: codes live a minute; refresh tokens live a day and rotate on use; added scopes need
a new consent, removed ones end at once; a Site Admin may let a service account own the consent.
Assumed: reusing a code or refresh token ends the consent (RFC 6749 and 9700), consents coexist,
and PKCE is honored (RFC 7636).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from integrations.greenhouse.sandbox.auth.partners import (
    PARTNER_CLIENT_ID,
    PARTNER_CLIENT_SECRET,
    PARTNER_NAME,
    Partner,
)
from integrations.greenhouse.sandbox.auth.permissions import ALL_SCOPES
from integrations.greenhouse.sandbox.clock import Clock
from integrations.greenhouse.sandbox.settings import Settings


@dataclass
class Consent:
    """A user's consent; the v3 API treats it like a client."""

    id: int
    partner: Partner = field(repr=False)
    account: str
    granted_by: int
    user_id: int  # acting user: the person, or the account's service user
    granted_scopes: set[str]
    refresh_serial: int = 0  # of the only usable refresh token
    refresh_expires_at: float = 0.0
    ended_reason: str = ""  # empty while active

    @property
    def client_id(self) -> str:
        """Key for rate limits: each account has its own allowance per partner."""
        return f"{self.partner.client_id}:{self.account}"

    @property
    def label(self) -> str:
        return f"v3:{self.account}:consent {self.id}"

    @property
    def scopes(self) -> set[str]:
        """Effective scopes: granted, and still registered by the partner."""
        return self.granted_scopes & self.partner.scopes


@dataclass
class AuthorizationCode:
    consent: Consent
    redirect_uri: str
    code_challenge: str
    expires_at: float
    used: bool = False


class InvalidGrant(Exception):
    """The code or refresh token is not usable: RFC 6749's ``invalid_grant``."""


class ConsentStore:
    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        secret: bytes,
        add_service_user: Callable[[str, bool], int],
        on_change: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._secret = secret
        self._add_service_user = add_service_user
        self._on_change = on_change
        self.partners: dict[str, Partner] = {}
        self.rows: dict[int, Consent] = {}
        self._codes: dict[str, AuthorizationCode] = {}

    def add_well_known(self) -> None:
        self.partners[PARTNER_CLIENT_ID] = Partner(
            PARTNER_CLIENT_ID, PARTNER_CLIENT_SECRET, PARTNER_NAME, set(ALL_SCOPES)
        )

    def create_consent(
        self,
        partner: Partner,
        account: str,
        granted_by: int,
        scopes: Iterable[str],
        *,
        service_account: bool,
    ) -> Consent:
        subject = self._get_service_user(partner, account) if service_account else granted_by
        if self._settings.consent_replaces:
            for row in self.list_active(account, subject):
                row.ended_reason = "another consent took its place"
        number = len(self.rows) + 1
        row = Consent(number, partner, account, granted_by, subject, set(scopes))
        self.rows[number] = row
        self._on_change()
        return row

    def _get_service_user(self, partner: Partner, account: str) -> int:
        if account not in partner.service_users:
            partner.service_users[account] = self._add_service_user(account, True)
        return partner.service_users[account]

    def list_active(self, account: str, user_id: int | None = None) -> list[Consent]:
        return [
            row
            for row in self.rows.values()
            if row.account == account and not row.ended_reason and user_id in (None, row.user_id)
        ]

    def withdraw_consents(self, account: str = "acme", user_id: int | None = None) -> int:
        """End consents as if the integration was disconnected; return how many."""
        ended = self.list_active(account, user_id)
        for row in ended:
            row.ended_reason = "disconnected in Greenhouse"
        self._on_change()
        return len(ended)

    def issue_code(self, consent: Consent, redirect_uri: str, code_challenge: str) -> str:
        text = self._sign_token(f"code.{consent.id}")
        expires_at = self._get_time() + self._settings.code_lifetime
        self._codes[text] = AuthorizationCode(consent, redirect_uri, code_challenge, expires_at)
        return text

    def redeem_code(
        self, partner: Partner, text: str, redirect_uri: str | None, verifier: str
    ) -> Consent:
        """Redeem a code. Raises InvalidGrant; reusing a code ends its consent."""
        code = self._codes.get(text)
        if code is None or code.consent.partner is not partner:
            raise InvalidGrant
        if code.used:
            self._end_consent(code.consent, "a code was used twice")
        if code.expires_at <= self._get_time() or redirect_uri not in (None, "", code.redirect_uri):
            raise InvalidGrant
        if (
            self._settings.pkce
            and code.code_challenge
            and not _matches_challenge(code.code_challenge, verifier)
        ):
            raise InvalidGrant
        if code.consent.ended_reason:
            raise InvalidGrant
        code.used = True
        return code.consent

    def use_refresh_token(self, partner: Partner, text: str) -> Consent:
        """Check a refresh token. Raises InvalidGrant; reusing a spent one ends its consent."""
        payload, _, signature = text.rpartition(".")
        kind, _, ids = payload.partition(".")
        if kind != "refresh" or not hmac.compare_digest(
            signature, self._compute_signature(payload)
        ):
            raise InvalidGrant
        number, _, serial = ids.partition(".")
        row = self.rows.get(int(number))
        if row is None or row.partner is not partner or row.ended_reason:
            raise InvalidGrant
        if int(serial) != row.refresh_serial:
            self._end_consent(row, "a refresh token was used twice")
        if row.refresh_expires_at <= self._get_time():
            raise InvalidGrant
        return row

    def issue_refresh_token(self, row: Consent) -> str:
        """Issue a refresh token, which invalidates the previous one."""
        row.refresh_serial += 1
        row.refresh_expires_at = self._get_time() + self._settings.refresh_lifetime
        self._on_change()
        return self._sign_token(f"refresh.{row.id}.{row.refresh_serial}")

    def revoke_token(self, partner: Partner, text: str) -> None:
        """End a refresh token's consent; unknown tokens are ignored (RFC 7009)."""
        payload, _, signature = text.rpartition(".")
        parts = payload.split(".")
        if parts[0] == "refresh" and hmac.compare_digest(
            signature, self._compute_signature(payload)
        ):
            row = self.rows.get(int(parts[1]))
            if row and row.partner is partner and not row.ended_reason:
                row.ended_reason = "revoked by the partner"
                self._on_change()

    def _end_consent(self, row: Consent, reason: str) -> None:
        row.ended_reason = row.ended_reason or reason
        self._on_change()
        raise InvalidGrant

    def _get_time(self) -> float:
        return self._clock().timestamp()

    def _sign_token(self, payload: str) -> str:
        return f"{payload}.{self._compute_signature(payload)}"

    def _compute_signature(self, payload: str) -> str:
        return hmac.new(self._secret, payload.encode(), hashlib.sha256).hexdigest()

    def to_state(self) -> dict[str, Any]:
        """Return everything that outlives the process; codes do not."""
        return {
            "partners": [
                {
                    "client_id": partner.client_id,
                    "client_secret": partner.client_secret,
                    "name": partner.name,
                    "scopes": sorted(partner.scopes),
                    "redirects": partner.redirect_uris,
                    "service_users": partner.service_users,
                }
                for partner in self.partners.values()
            ],
            "consents": [
                {
                    "number": row.id,
                    "partner": row.partner.client_id,
                    "account": row.account,
                    "agreed_by": row.granted_by,
                    "user_id": row.user_id,
                    "agreed": sorted(row.granted_scopes),
                    "serial": row.refresh_serial,
                    "refresh_until": row.refresh_expires_at,
                    "ended": row.ended_reason,
                }
                for row in self.rows.values()
            ],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        for row in state["partners"]:
            self.partners[row["client_id"]] = Partner(
                client_id=row["client_id"],
                client_secret=row["client_secret"],
                name=row["name"],
                scopes=set(row["scopes"]),
                redirect_uris=row["redirects"],
                service_users=row["service_users"],
            )
        for row in state["consents"]:
            partner = self.partners[row["partner"]]
            self.rows[row["number"]] = Consent(
                id=row["number"],
                partner=partner,
                account=row["account"],
                granted_by=row["agreed_by"],
                user_id=row["user_id"],
                granted_scopes=set(row["agreed"]),
                refresh_serial=row["serial"],
                refresh_expires_at=row["refresh_until"],
                ended_reason=row["ended"],
            )


def _matches_challenge(challenge: str, verifier: str) -> bool:
    return hmac.compare_digest(
        challenge, _encode_base64(hashlib.sha256(verifier.encode()).digest())
    )


def _encode_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
