"""Base client for Harvest v1 and v3: sending, paging and explaining refused writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

import msgspec

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    BadCredential,
    Conflict,
    Evidence,
    InvalidValues,
    MissingPermission,
    NotFound,
    NotSiteAdmin,
    UnreadableResponse,
)
from integrations.ats.types import (
    AccountSample,
    Application,
    ChangeFilter,
    CompleteList,
    Job,
    Page,
    User,
)
from integrations.greenhouse.payloads.decoding import (
    RecordParser,
    RecordReader,
    decode_changed_records,
    decode_record,
    decode_records,
)
from integrations.greenhouse.transport import file_request
from integrations.greenhouse.transport.error_body import ErrorBody
from integrations.greenhouse.transport.request import HarvestRequest
from integrations.greenhouse.transport.sender import OutgoingRequest, RequestSender
from integrations.http.client import HttpClient, HttpResponse
from integrations.http.link_header import build_target_url, find_next_target

Record = TypeVar("Record")
ListPart = tuple[HarvestRequest, RecordParser[Record]]

PER_PAGE = "500"  # documented maximum of v1 and v3
# It is unknown whether a new token ends the earlier ones of its credential. If it does, those of
# other acting users can end one between its request and its use.
MAX_TOKEN_RENEWALS = 4
MAX_PAGES = 100_000


class HarvestClient(ABC):
    """Harvest API client for one credential. Getters of single records raise NotFound."""

    kind: str
    window: ClassVar[float]  # length of the rate limit window, in seconds
    pages_may_shift: bool
    lists_grants_by_user: bool  # with a request for each

    def __init__(
        self, context: ClientContext, http: HttpClient | None, secrets: Sequence[str]
    ) -> None:
        self._context = context
        self._http_client = http or HttpClient()
        self._sender = RequestSender(
            context,
            self._http_client,
            key=f"{context.connection_key}:budget:{self.kind}",
            window=self.window,
            secrets=secrets,
        )

    # -- API version specifics ---------------------------------------------------------------
    @abstractmethod
    def _build_headers(self, request: HarvestRequest, until: float) -> Mapping[str, str]: ...

    @abstractmethod
    def _discard_token(self, headers: Mapping[str, str], request: HarvestRequest) -> bool:
        """Drop the token in `headers` after a 401. Returns whether to retry with another one."""

    @abstractmethod
    def _map_error(
        self,
        request: HarvestRequest,
        response: HttpResponse,
        error_body: ErrorBody,
        evidence: Evidence,
    ) -> AtsError:
        """Map a 4xx to an error. 408, 429 and, except for 401 and 403, HTML never get here."""

    @abstractmethod
    def _check_empty_list(self, request: HarvestRequest) -> None:
        """Raise NotSiteAdmin if an empty list may merely be hidden from the credential."""

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

    # -- requests ----------------------------------------------------------------------------
    def _send_request(
        self, request: HarvestRequest, *, target: str | None = None, until: float | None = None
    ) -> HttpResponse:
        """Send the request (or its next page, `target`), with retries until the deadline."""
        deadline = self._get_deadline() if until is None else until
        url = build_target_url(target or request.target, base=self._context.api_url)
        return self._sender.retry_request(
            lambda retries: self._send_with_auth(request, url, deadline, retries), until=deadline
        )

    def read_path(
        self, path: str, params: Mapping[str, str], *, acting_user_id: int | None = None
    ) -> HttpResponse:
        """Read any list as it is. Raises AtsError."""
        request = HarvestRequest(
            path=path,
            template=path,
            permission="",
            params=dict(params),
            acting_user_id=acting_user_id,
        )
        return self._send_request(request)

    def _send_with_auth(
        self, request: HarvestRequest, url: str, until: float, retries: int
    ) -> HttpResponse:
        for renewals in range(MAX_TOKEN_RENEWALS + 1):
            headers = self._build_headers(request, until)
            try:
                return self._send(request, url, headers, until, retries + renewals)
            except BadCredential as error:
                is_401 = error.evidence is not None and error.evidence.status == 401
                is_last = renewals == MAX_TOKEN_RENEWALS
                if not is_401 or not self._discard_token(headers, request) or is_last:
                    raise
        raise AssertionError  # pragma: no cover  # the last attempt returned or raised

    def _send(
        self,
        harvest_request: HarvestRequest,
        url: str,
        headers: Mapping[str, str],
        until: float,
        retries: int,
    ) -> HttpResponse:
        content_type = (
            {"Content-Type": "application/json"} if harvest_request.body is not None else {}
        )
        request = OutgoingRequest(
            method=harvest_request.method,
            url=url,
            template=harvest_request.template,
            headers={**headers, **content_type},
            content=harvest_request.content,
            is_write=harvest_request.is_write,
        )
        return self._sender.send_once(
            request,
            until=until,
            retries=retries,
            map_error=lambda response, error_body, evidence: self._map_error(
                harvest_request, response, error_body, evidence
            ),
        )

    def _get_deadline(self) -> float:
        return self._context.get_deadline()

    # -- lists -------------------------------------------------------------------------------
    def _iterate_pages(
        self,
        request: HarvestRequest,
        read: RecordParser[Record],
        *,
        cursor: str | None = None,
        keep: Callable[[Record], bool] = lambda _: True,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[Record]]:
        """Yield pages from `cursor` on; `keep` repeats filters that Greenhouse may ignore.

        Records that `changes` knows as they are come as `unchanged_ids` only.
        """
        request = self._select_fields(request, read)
        if cursor is not None and urlsplit(cursor).path != request.path:
            raise UnreadableResponse("The page to continue from belongs to another list.")
        target = cursor
        seen: set[int] = set()
        restarted = is_first_restarted = False
        has_records = cursor is not None  # a list with a cursor has had records before it
        for _ in range(MAX_PAGES):
            try:
                response = self._send_request(request, target=target)
            except (InvalidValues, Conflict):  # 422: an expired cursor (documented for v3)
                plain_request = self._drop_fields(request) if target is None else None
                if plain_request is not None:
                    request = plain_request
                    continue
                if target is None or restarted:
                    raise
                target, restarted, is_first_restarted, seen = None, True, True, set()
                has_records = False
                continue
            unchanged_ids: tuple[int, ...] = ()
            if changes is not None and isinstance(read, RecordReader):
                decoded = decode_changed_records(response.body, read, changes)
                records, unreadable, unchanged_ids = decoded
            else:
                records, unreadable = decode_records(response.body, read)
            has_records = has_records or bool(records or unreadable or unchanged_ids)
            target = self._get_next_target(request, response, target, seen)
            if target is None and not has_records:
                self._check_empty_list(request)
            kept_records = tuple(record for record in records if keep(record))
            yield Page(
                records=kept_records,
                set_aside=unreadable,
                cursor=target,
                restarted=is_first_restarted,
                unchanged_ids=unchanged_ids,
            )
            is_first_restarted = False
            if target is None:
                return
        raise UnreadableResponse("Greenhouse's list has no end.")

    def _select_fields(self, request: HarvestRequest, read: RecordParser[Record]) -> HarvestRequest:
        """Ask for the fields that are read only, where this version of the API can be asked."""
        return request

    def _drop_fields(self, request: HarvestRequest) -> HarvestRequest | None:
        """After a 422: the request for all fields; None if it is one already."""
        return None

    def _get_next_target(
        self, request: HarvestRequest, response: HttpResponse, target: str | None, seen: set[int]
    ) -> str | None:
        base = self._context.api_url
        current_target = target or request.target
        seen.add(hash(current_target))
        next_target = find_next_target(
            response.headers.get("link"),
            request_url=build_target_url(current_target, base=base),
            base=base,
        )
        if next_target is None:
            return None
        if hash(next_target) in seen or urlsplit(next_target).path != request.path:
            raise UnreadableResponse("Greenhouse's pages repeat or belong to another list.")
        return next_target

    def _chain_lists(
        self,
        parts: Sequence[ListPart[Record]],
        *,
        cursor: str | None,
        keep: Callable[[Record], bool] = lambda _: True,
    ) -> Iterator[Page[Record]]:
        """Yield several lists as one. The cursor's path identifies the list it belongs to."""
        paths = [request.path for request, _ in parts]
        current_path = urlsplit(cursor).path if cursor else ""
        start = paths.index(current_path) if current_path in paths else 0
        if not parts:
            yield Page(records=())
        for position in range(start, len(parts)):
            request, read = parts[position]
            next_list = parts[position + 1][0].target if position + 1 < len(parts) else None
            resume = cursor if cursor and request.path == current_path else None
            for page in self._iterate_pages(request, read, cursor=resume, keep=keep):
                yield msgspec.structs.replace(page, cursor=page.cursor or next_list)

    def _list_all(
        self,
        request: HarvestRequest,
        read: RecordParser[Record],
        keep: Callable[[Record], bool] = lambda _: True,
    ) -> CompleteList[Record]:
        pages = list(self._iterate_pages(request, read, keep=keep))
        return CompleteList(
            (record for page in pages for record in page.records),
            (unreadable for page in pages for unreadable in page.set_aside),
        )

    def _fetch_record(self, request: HarvestRequest, read: RecordParser[Record]) -> Record:
        return decode_record(self._send_request(request).body, read)

    def download_file(self, url: str, *, max_bytes: int) -> bytes:
        return file_request.download_file(self._context, url, max_bytes=max_bytes)

    # -- the credential ----------------------------------------------------------------------
    def get_account_sample(self) -> AccountSample:
        """Ids from the first page of users and of jobs; empty without the permission."""
        return AccountSample(
            user_ids=self._sample_ids(self.list_users()), job_ids=self._sample_ids(self.list_jobs())
        )

    def _sample_ids(self, pages: Iterator[Page[User]] | Iterator[Page[Job]]) -> frozenset[int]:
        try:
            return frozenset(record.id for record in next(pages).records)
        except (MissingPermission, NotSiteAdmin):
            return frozenset()

    # -- writes ------------------------------------------------------------------------------
    def _send_write(
        self, request: HarvestRequest, *, application_id: int, required_status: str, until: float
    ) -> HttpResponse:
        """Send a write; if a refusal is vague, read the application to explain it."""
        try:
            return self._send_request(request, until=until)
        except InvalidValues as error:
            if error.fields:
                raise
            raise self._explain_invalid_write(error, application_id, required_status) from error
        except NotFound as error:
            raise self._explain_not_found_write(error, application_id) from error

    def _explain_invalid_write(
        self, error: InvalidValues, application_id: int, required_status: str
    ) -> AtsError:
        current = self._reread_application(application_id)
        if current is None or not required_status or current.status == required_status:
            return error
        return Conflict(
            f"This application is now {current.status} in Greenhouse.", evidence=error.evidence
        )

    def _explain_not_found_write(self, error: NotFound, application_id: int) -> AtsError:
        # Greenhouse also answers 404 if the acting user may not see the record.
        if self._reread_application(application_id) is None:
            return error
        return ActingUserRefused(
            "You don't have access to this application in Greenhouse.",
            evidence=error.evidence,
        )

    def _reread_application(self, application_id: int) -> Application | None:
        try:
            return self.get_application(application_id)
        except AtsError:
            return None


def format_timestamp(value: datetime) -> str:
    """Format as Greenhouse does: ISO 8601 in UTC, with milliseconds and a `Z`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
