"""Greenhouse's OAuth server: asking it for tokens, and what they say of themselves.

Source: Greenhouse's documentation (form, Basic client; a token lives about an hour), and what was
seen (three names for that life). Inferred and read defensively: the token's claims, the fields of
the introspection endpoint.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlencode

import msgspec

from integrations.ats.errors import AtsError, BadCredential, Evidence, UnreadableAnswer
from integrations.ats.wiring import Wiring
from integrations.greenhouse.line import Explain, Line, Outgoing
from integrations.greenhouse.reading import moment
from integrations.greenhouse.refusals import Refusal
from integrations.http.client import Answer, Http

_WINDOW = 60.0  # documented: token requests have a window of their own
ASSUMED_LIFE = 900.0  # where the answer does not say; documented is about an hour


def basic(user: str, password: str = "") -> str:
    """The value of an `Authorization: Basic` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Claims(msgspec.Struct, frozen=True):
    """What a token says of itself. None = it does not say."""

    scopes: frozenset[str] | None = None
    site_admin: bool | None = None
    subject: int | None = None  # the Greenhouse user in whose name it works


class Endpoint:
    """The OAuth server as one client speaks to it. `key` names the client's rate window."""

    def __init__(
        self, wiring: Wiring, http: Http, client_id: str, client_secret: str, *, key: str
    ) -> None:
        self._wiring = wiring
        self._client = basic(client_id, client_secret)
        self._line = Line(
            wiring,
            http,
            key=f"{key}:token-budget",
            window=_WINDOW,
            secrets=(client_id, client_secret, self._client),
        )
        self._introspected: dict[str, Claims] = {}

    def ask(
        self,
        path: str,
        form: dict[str, str],
        *,
        until: float,
        explain: Explain,
        once: bool = False,
        spends: bool = False,
    ) -> Answer:
        """Send a form. `once`: never repeated; `spends`: it uses something up, so an answer that
        was lost is OutcomeUnknown and not asked for again.
        """
        request = Outgoing(
            method="POST",
            url=self._wiring.auth_url.rstrip("/") + path,
            template=path,
            headers={
                "Authorization": self._client,
                "Content-Type": "application/x-www-form-urlencoded",
            },
            content=urlencode(form).encode(),
            writes=spends,
        )

        def send(retries: int) -> Answer:
            return self._line.once(request, until=until, retries=retries, explain=explain)

        return send(0) if once else self._line.repeat(send, until=until)

    def claims(self, token: str, *, until: float) -> Claims:
        """What the token says, by its own claims or by introspection (once per token)."""
        own = claims_of(token)
        if own.scopes is not None:
            return own
        if token not in self._introspected:
            self._introspected = {token: self._introspect(token, until)}
        told = self._introspected[token]
        return msgspec.structs.replace(told, subject=told.subject or own.subject)

    def _introspect(self, token: str, until: float) -> Claims:
        try:
            form = {"token": token}
            answer = self.ask("/introspect", form, until=until, explain=_refused, once=True)
            body = msgspec.json.decode(answer.body)
        except (AtsError, msgspec.MsgspecError, UnicodeDecodeError):
            return Claims()
        usable = isinstance(body, dict) and body.get("active") is not False
        return _claims(body) if usable else Claims()


def _refused(answer: Answer, refusal: Refusal, evidence: Evidence) -> AtsError:
    return BadCredential(evidence=evidence)


def read_granted(answer: Answer) -> Granted:
    """The tokens in an answer. Raises UnreadableAnswer."""
    try:
        return msgspec.json.decode(answer.body, type=Granted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableAnswer("Greenhouse's token could not be read.") from error


class Granted(msgspec.Struct):
    """The token endpoint's answer; three names for its life have been seen."""

    access_token: str
    refresh_token: str = ""
    refresh_token_expires_in: str | int | float | None = None  # not documented; read where given
    scope: str | list[str] | None = None
    expires_at: str | int | float | None = None
    expires_in: str | int | float | None = None
    expires: str | int | float | None = None

    def __repr__(self) -> str:
        return "<Granted>"

    def life(self, now: float) -> float:
        """Seconds that the token lives from `now` on."""
        for value in (self.expires_at, self.expires_in, self.expires):
            seconds = _seconds(value, now)
            if seconds is not None and seconds > 0:
                return seconds
        return ASSUMED_LIFE


def claims_of(token: str) -> Claims:
    """The scopes a JSON web token carries. It is decoded, not verified: only to explain."""
    try:
        part = token.split(".")[1]
        body = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error, msgspec.MsgspecError):
        return Claims()
    return _claims(body) if isinstance(body, dict) else Claims()


def _claims(body: dict[str, object]) -> Claims:
    site_admin = body.get("site_admin")
    named = next((body[name] for name in ("scope", "scopes", "scp") if body.get(name)), None)
    if isinstance(named, str):
        named = named.replace(",", " ").split()
    scopes = frozenset(str(one) for one in named) if isinstance(named, list) else None
    subject = str(body.get("sub", ""))
    return Claims(
        scopes,
        site_admin if isinstance(site_admin, bool) else None,
        int(subject) if subject.isdecimal() and len(subject) < 19 else None,
    )


def _seconds(value: str | int | float | None, now: float) -> float | None:
    if isinstance(value, str):
        read = moment(value)
        if read is not None:
            return read.timestamp() - now
        try:
            value = float(value)
        except ValueError:
            return None
    if value is None:
        return None
    return value - now if value > 10_000_000 else float(value)
