"""Access by consent: somebody agrees at the vendor, and tokens come of it that replace each other.

Each refresh token works once and is answered with the next: a chain. Two processes that use one at
the same time would lose it, so whoever renews takes the turn first, in a place that all processes
share; the answer is kept and the turn ended in one step. A turn that ran out without an answer
means that nobody knows whether the refresh token was used: the next one tries it once more, since
an unused one works and a used one is lost either way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

import msgspec

from integrations.ats.errors import BadCredential
from integrations.ats.wiring import Wiring

SERVICE_ACCOUNT = -1
"""`acting_user_id` of a write that goes out in the credential's own name, not in a person's."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A consent's present tokens. `number` counts its refresh tokens; times since the epoch."""

    number: int
    access_token: str
    access_until: float
    refresh_token: str
    refresh_until: float

    def __repr__(self) -> str:
        return f"<Pair {self.number}>"


class Chain(Protocol):
    """One consent's tokens. Each method is one step that either happens whole or not at all."""

    def present(self) -> Pair:
        """The tokens as they are now. Raises BadCredential once the consent is over."""

    def take(self, number: int, *, now: float, until: float) -> bool:
        """Take the turn of using refresh token `number`. False: it is used, or another's turn."""

    def put(self, new: Pair) -> bool:
        """Keep the answer to refresh token `new.number - 1` and end the turn; False: too late."""

    def give_back(self, number: int) -> None:
        """End the turn: the refresh token was certainly not used."""

    def over(self, number: int, why: str) -> None:
        """The vendor no longer takes refresh token `number`: the consent has ended."""


class Chains(Protocol):
    """The consents that one connection knows."""

    def of(self, acting_user_id: int | None) -> Chain | None:
        """The connection's own (None), or that of a person at the vendor; None: there is none."""


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """The application that a vendor registered for whoever runs this portal."""

    client_id: str
    client_secret: str
    redirect_uri: str
    pkce: bool = True

    def __repr__(self) -> str:
        return "<Partner>"


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a consent. None: the vendor does not say."""

    pair: Pair
    subject: int | None  # the user at the vendor in whose name it works
    scopes: frozenset[str] | None


class CodeRefused(BadCredential):
    """The code of a consent is not accepted: too late, used before, or not ours."""


class ConsentDoor(Protocol):
    """How consents are asked for, taken, kept alive and given up, at one vendor."""

    def address(
        self, partner: Partner, auth_url: str, *, scopes: Iterable[str], state: str, verifier: str
    ) -> str:
        """Where to send the browser."""

    def redeem(self, wiring: Wiring, partner: Partner, *, code: str, verifier: str) -> Agreed:
        """Change a code for tokens. Raises CodeRefused, BadCredential (the application itself is
        not accepted), AtsDown, RateLimited or UnreadableAnswer.
        """

    def renew(self, wiring: Wiring, partner: Partner, chain: Chain, *, number: int) -> Pair:
        """Use the refresh token of this number now; where that was done meanwhile, or is being
        done, give what there is. Raises BadCredential (over), AtsDown, RateLimited or
        UnreadableAnswer.
        """

    def revoke(self, wiring: Wiring, partner: Partner, pair: Pair) -> bool:
        """Give the tokens up at the vendor; False where that could not be done. Never raises."""


class MemoryChain:
    """A chain for one process: the command line, tests."""

    def __init__(self, pair: Pair) -> None:
        self._lock = threading.Lock()
        self.pair = pair
        self.turn_until = 0.0
        self.ended = ""

    def present(self) -> Pair:
        """See Chain."""
        if self.ended:
            raise BadCredential(self.ended)
        return self.pair

    def take(self, number: int, *, now: float, until: float) -> bool:
        """See Chain."""
        with self._lock:
            if self.ended or number != self.pair.number or self.turn_until > now:
                return False
            self.turn_until = until
            return True

    def put(self, new: Pair) -> bool:
        """See Chain."""
        with self._lock:
            if self.ended or new.number != self.pair.number + 1:
                return False
            self.pair, self.turn_until = new, 0.0
            return True

    def give_back(self, number: int) -> None:
        """See Chain."""
        with self._lock:
            if number == self.pair.number:
                self.turn_until = 0.0

    def over(self, number: int, why: str) -> None:
        """See Chain."""
        with self._lock:
            if number == self.pair.number:
                self.ended = why
