"""What both generations of Harvest share: asking, paging, and settling what a refusal meant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

import msgspec

from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    BadCredential,
    Conflict,
    Evidence,
    Invalid,
    MissingPermission,
    NotFound,
    NotSiteAdmin,
    UnreadableAnswer,
)
from integrations.ats.port import AccountSample
from integrations.ats.types import Application, Job, Listed, Page, User
from integrations.ats.wiring import Wiring
from integrations.greenhouse.ask import Ask
from integrations.greenhouse.line import Line, Outgoing
from integrations.greenhouse.reading import Reader, read_one, read_records
from integrations.greenhouse.refusals import Refusal
from integrations.http.client import Answer, Http
from integrations.http.links import next_target, url_of

Record = TypeVar("Record")
Part = tuple[Ask, Reader[Record]]

PER_PAGE = "500"  # documented maximum of both generations
MOST_PAGES = 100_000


class Harvest(ABC):
    """A credential's way into Harvest. `window`: seconds of its rate window."""

    kind: str
    window: ClassVar[float]
    pages_may_shift: bool

    def __init__(self, wiring: Wiring, http: Http | None, secrets: Sequence[str]) -> None:
        self._wiring = wiring
        self._http = http or Http()
        self._line = Line(
            wiring,
            self._http,
            key=f"{wiring.key}:budget:{self.kind}",
            window=self.window,
            secrets=secrets,
        )

    # -- what a generation brings ------------------------------------------------------------
    @abstractmethod
    def _headers(self, ask: Ask, until: float) -> Mapping[str, str]:
        """The headers that say who asks. May fetch a token, and fail at that."""

    @abstractmethod
    def _renew(self, headers: Mapping[str, str], ask: Ask) -> bool:
        """After a 401: drop what `headers` said. True where another try makes sense."""

    @abstractmethod
    def _explain(self, ask: Ask, answer: Answer, refusal: Refusal, evidence: Evidence) -> AtsError:
        """What a 4xx (other than 408 and 429) with a JSON or empty body means."""

    @abstractmethod
    def _nothing_shown(self, ask: Ask) -> None:
        """A list was read to its end and held nothing. Raises where that says nothing."""

    @abstractmethod
    def get_application(self, application_id: int) -> Application: ...

    @abstractmethod
    def list_users(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[User]]: ...

    @abstractmethod
    def list_jobs(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Job]]: ...

    # -- asking ------------------------------------------------------------------------------
    def _ask(self, ask: Ask, *, target: str | None = None, until: float | None = None) -> Answer:
        """Send `ask` (or go on at `target`) until there is an answer, at most the deadline."""
        end = self._until() if until is None else until
        url = url_of(target or ask.target, base=self._wiring.api_url)
        return self._line.repeat(lambda tries: self._try(ask, url, end, tries), until=end)

    def _try(self, ask: Ask, url: str, until: float, retries: int) -> Answer:
        headers = self._headers(ask, until)
        try:
            return self._send(ask, url, headers, until, retries)
        except BadCredential as error:
            refused = error.evidence is not None and error.evidence.status == 401
            if not refused or not self._renew(headers, ask):
                raise
        return self._send(ask, url, self._headers(ask, until), until, retries + 1)

    def _send(
        self, ask: Ask, url: str, headers: Mapping[str, str], until: float, retries: int
    ) -> Answer:
        kind = {"Content-Type": "application/json"} if ask.body is not None else {}
        request = Outgoing(
            method=ask.method,
            url=url,
            template=ask.template,
            headers={**headers, **kind},
            content=ask.content,
            writes=ask.writes,
        )
        return self._line.once(
            request,
            until=until,
            retries=retries,
            explain=lambda answer, refusal, evidence: self._explain(ask, answer, refusal, evidence),
        )

    def _until(self) -> float:
        return self._wiring.now() + self._wiring.deadline

    # -- lists -------------------------------------------------------------------------------
    def _pages(
        self,
        ask: Ask,
        read: Reader[Record],
        *,
        cursor: str | None = None,
        keep: Callable[[Record], bool] = lambda _: True,
    ) -> Iterator[Page[Record]]:
        """The pages of a list, one at a time, from the start or from `cursor` on.

        Records that `keep` denies are left out: a parameter that Greenhouse ignores would answer
        everything. A cursor that Greenhouse no longer knows (422, documented for v3) starts the
        list again, once.
        """
        if cursor is not None and urlsplit(cursor).path != ask.path:
            raise UnreadableAnswer("The place to go on from belongs to another list.")
        target = cursor
        seen: set[int] = set()
        restarted = anew = False
        shown = cursor is not None  # or it would not go on
        for _ in range(MOST_PAGES):
            try:
                answer = self._ask(ask, target=target)
            except (Invalid, Conflict):
                if target is None or restarted:
                    raise
                target, restarted, anew, seen = None, True, True, set()
                shown = False
                continue
            records, aside = read_records(answer.body, read)
            shown = shown or bool(records or aside)
            target = self._next(ask, answer, target, seen)
            if target is None and not shown:
                self._nothing_shown(ask)
            kept = tuple(record for record in records if keep(record))
            yield Page(records=kept, set_aside=aside, cursor=target, restarted=anew)
            anew = False
            if target is None:
                return
        raise UnreadableAnswer("Greenhouse's list has no end.")

    def _next(self, ask: Ask, answer: Answer, target: str | None, seen: set[int]) -> str | None:
        base = self._wiring.api_url
        asked = target or ask.target
        seen.add(hash(asked))
        following = next_target(
            answer.headers.get("link"), asked=url_of(asked, base=base), base=base
        )
        if following is None:
            return None
        if hash(following) in seen or urlsplit(following).path != ask.path:
            raise UnreadableAnswer("Greenhouse's pages lead in a circle, or into another list.")
        return following

    def _chain(
        self,
        parts: Sequence[Part[Record]],
        *,
        cursor: str | None,
        keep: Callable[[Record], bool] = lambda _: True,
    ) -> Iterator[Page[Record]]:
        """Several lists as one. A cursor's path tells in which of them it is."""
        paths = [ask.path for ask, _ in parts]
        here = urlsplit(cursor).path if cursor else ""
        start = paths.index(here) if here in paths else 0
        if not parts:
            yield Page(records=())
        for place in range(start, len(parts)):
            ask, read = parts[place]
            after = parts[place + 1][0].target if place + 1 < len(parts) else None
            resume = cursor if cursor and ask.path == here else None
            for page in self._pages(ask, read, cursor=resume, keep=keep):
                yield msgspec.structs.replace(page, cursor=page.cursor or after)

    def _every(
        self, ask: Ask, read: Reader[Record], keep: Callable[[Record], bool] = lambda _: True
    ) -> Listed[Record]:
        """All records of a short list, and those that could not be read."""
        pages = list(self._pages(ask, read, keep=keep))
        return Listed(
            (record for page in pages for record in page.records),
            (aside for page in pages for aside in page.set_aside),
        )

    def _one(self, ask: Ask, read: Reader[Record]) -> Record:
        return read_one(self._ask(ask).body, read)

    # -- the credential ----------------------------------------------------------------------
    def account_sample(self) -> AccountSample:
        """Ids of the users and jobs on the first page of each; empty where not permitted."""
        return AccountSample(
            user_ids=self._sample(self.list_users()), job_ids=self._sample(self.list_jobs())
        )

    def _sample(self, pages: Iterator[Page[User]] | Iterator[Page[Job]]) -> frozenset[int]:
        try:
            return frozenset(record.id for record in next(pages).records)
        except (MissingPermission, NotSiteAdmin):
            return frozenset()

    # -- writes ------------------------------------------------------------------------------
    def _write(self, ask: Ask, *, application_id: int, needs: str, until: float) -> Answer:
        """Send a write; where Greenhouse's "no" is vague, look at the application to tell why.

        `needs` is the status that the application must have ("" = any).
        """
        try:
            return self._ask(ask, until=until)
        except Invalid as error:
            if error.fields:
                raise
            raise self._what_was_wrong(error, application_id, needs) from error
        except NotFound as error:
            raise self._who_was_refused(error, application_id) from error

    def _what_was_wrong(self, error: Invalid, application_id: int, needs: str) -> AtsError:
        now = self._look(application_id)
        if now is None or not needs or now.status == needs:
            return error
        return Conflict(
            f"This application is {now.status} in Greenhouse now.", evidence=error.evidence
        )

    def _who_was_refused(self, error: NotFound, application_id: int) -> AtsError:
        """Greenhouse answers 404 also where the acting user may not know of the record."""
        if self._look(application_id) is None:
            return error
        return ActingUserRefused(
            "Greenhouse does not show this application to you, so it does not let you do this.",
            evidence=error.evidence,
        )

    def _look(self, application_id: int) -> Application | None:
        """The application as it is now; None where it cannot be read."""
        try:
            return self.get_application(application_id)
        except AtsError:
            return None


def stamp(value: datetime) -> str:
    """ISO-8601 in UTC, to the second or finer, as Greenhouse writes it."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
