"""Telling "there is none" from "you may see none" in Harvest v3.

To a reader who is no Site Admin Greenhouse answers lists with 403 or with nothing at all (both are
documented). So before an empty list is believed, something that is surely there must show: another
record of the same list, or a user, of whom every account has some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from integrations.ats.errors import Evidence, MissingPermission, NotSiteAdmin
from integrations.greenhouse.ask import Ask
from integrations.http.client import Answer

REMEMBERED = 10.0  # seconds that an answer speaks for the next ones
_SENTENCE = (
    "Greenhouse shows this credential nothing at all, not even a user. It does so where the "
    "Greenhouse user behind it is not a Site Admin. Nothing was removed here; please make that "
    "user a Site Admin, or enter the user ID of one."
)
# Lists that are empty as a rule, and of which nothing is called gone.
_SAYS_LITTLE = {"updated_at", "application_ids", "candidate_ids", "custom_field_ids"}


def shows_something(answer: Answer) -> bool:
    """Whether the answer holds any record."""
    return answer.body.strip() not in (b"", b"[]")


class Sight:
    """What one provider's reader was shown last."""

    def __init__(self, ask: Callable[[Ask], Answer], now: Callable[[], float]) -> None:
        self._ask, self._now = ask, now
        self._something_at = self._nothing_at = float("-inf")

    def shown(self) -> None:
        """The reader was shown a record."""
        self._something_at = self._now()

    def confirm(self, ask: Ask) -> None:
        """`ask` was answered with nothing: raises NotSiteAdmin where everything else is, too."""
        recent = self._now() - REMEMBERED
        if _SAYS_LITTLE & ask.params.keys() or self._something_at > recent:
            return
        if self._nothing_at <= recent:
            if self._is_shown(ask):
                return
            self._nothing_at = self._now()
        evidence = Evidence(
            method="GET",
            path=ask.template,
            status=200,
            message="an empty list",
            at=datetime.fromtimestamp(self._now(), UTC),
        )
        raise NotSiteAdmin(_SENTENCE, evidence=evidence)

    def _is_shown(self, ask: Ask) -> bool:
        """True also where users may not be read: then nothing tells."""
        for one in _surely_there(ask):
            try:
                if shows_something(self._ask(one)):
                    return True
            except MissingPermission:
                return True
        return False


def _surely_there(ask: Ask) -> Iterator[Ask]:
    """The list itself where only a part of it was asked for, then the users."""
    if ask.params.keys() - {"per_page"} and ask.path != "/v3/users":
        yield _first_of(ask.path, ask.permission)
    yield _first_of("/v3/users", "users.list")


def _first_of(path: str, permission: str) -> Ask:
    return Ask(path=path, template=path, permission=permission, params={"per_page": "1"})
