"""Client for Harvest v3: tokens per user, flat rows, filtered lists instead of single records."""

# Source: Greenhouse's v3 documentation and OpenAPI document. The bodies of 403 and of most 422
# responses are undocumented, so nothing depends on their exact form.

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from math import ceil
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import (
    LIST_REFUSALS,
    ActingUserRefused,
    AtsError,
    AtsUnavailable,
    BadCredential,
    Conflict,
    Evidence,
    InvalidValues,
    MissingPermission,
    NotFound,
    NotSiteAdmin,
    UnreadableResponse,
)
from integrations.ats.permissions import ProbeResult
from integrations.ats.types import (
    Application,
    ApplicationChanges,
    Attachment,
    Candidate,
    ChangeFilter,
    CloseReason,
    CompleteList,
    CustomField,
    Department,
    EmailTemplate,
    Job,
    JobGrant,
    JobPost,
    Note,
    NoteVisibility,
    Office,
    Opening,
    Page,
    RejectionEmail,
    RejectionReason,
    SeenStage,
    Source,
    Stage,
    StageEntry,
    TeamMember,
    UnreadableRecord,
    User,
    UserEmail,
    UserRole,
    WriteResult,
)
from integrations.greenhouse.client.base import PER_PAGE, HarvestClient, format_timestamp
from integrations.greenhouse.client.current_stages import CurrentStages
from integrations.greenhouse.client.from_stage_id import FromStageIdChoice
from integrations.greenhouse.client.visibility import VisibilityCheck, has_records
from integrations.greenhouse.oauth.client import TokenClaims
from integrations.greenhouse.oauth.client_credentials import ClientCredentialTokens, NoScopesGranted
from integrations.greenhouse.oauth.scopes import ObservedAccess, get_required_scope
from integrations.greenhouse.payloads import custom_fields
from integrations.greenhouse.payloads import v3 as payloads
from integrations.greenhouse.payloads.decoding import RecordParser, RecordReader, read_created_id
from integrations.greenhouse.probes import v3
from integrations.greenhouse.transport.error_body import (
    ErrorBody,
    is_from_stage_error,
    map_validation_error,
)
from integrations.greenhouse.transport.request import HarvestRequest
from integrations.greenhouse.transport.sender import MAX_CALL_SECONDS
from integrations.greenhouse.write_requests import build_v3_note_request, build_v3_write_request
from integrations.http.client import (
    HttpClient,
    HttpResponse,
    RequestNotSent,
    ResponseLost,
    ResponseTooLarge,
)

Record = TypeVar("Record")

MAX_FILTER_IDS = 50  # documented maximum of every id filter


class TokenSource(Protocol):
    """Access tokens by Greenhouse user id (`sub`); None is the credential's own user."""

    def get_token(self, sub: str | None, *, until: float) -> str: ...

    def discard_token(self, sub: str | None, token: str) -> None: ...

    def get_claims(self, token: str, *, until: float) -> TokenClaims: ...


class _Identified(Protocol):
    @property
    def id(self) -> int: ...


IdentifiedRecord = TypeVar("IdentifiedRecord", bound=_Identified)


def _build_list_request(resource: str, permission: str, **params: str) -> HarvestRequest:
    path = f"/v3/{resource}"
    return HarvestRequest(
        path=path, template=path, permission=permission, params={"per_page": PER_PAGE} | params
    )


def _build_since_param(moment: datetime | None) -> dict[str, str]:
    return {"updated_at": f"gte|{format_timestamp(moment)}"} if moment else {}


def _build_job_post_requests(permission: str, **params: str) -> tuple[HarvestRequest, ...]:
    # Without `active`, only active posts are listed (observed by public clients).
    return tuple(
        _build_list_request("job_posts", permission, active=active, **params)
        for active in ("true", "false")
    )


def _join_ids(ids: Iterable[int]) -> str:
    return ",".join(str(int(record_id)) for record_id in ids)


class HarvestV3(HarvestClient):
    """Provider for Harvest v3. `secrets`: `client_id`, `client_secret` and optional `reader_id`."""

    kind: str = "harvest_oauth"
    window: ClassVar[float] = 30.0  # documented, fixed
    pages_may_shift: bool = False  # documented: cursors name a record, not a page number
    lists_grants_by_user: bool = False

    def __init__(
        self, secrets: Mapping[str, str], context: ClientContext, http: HttpClient | None = None
    ) -> None:
        client_id, client_secret = secrets["client_id"].strip(), secrets["client_secret"].strip()
        super().__init__(context, http, (client_id, client_secret))
        # The Site Admin to read lists as; by default the credential's service user.
        self._reader_id = secrets.get("reader_id", "").strip() or None
        self._tokens = self._create_token_source(client_id, client_secret)
        self._observed_access = ObservedAccess()
        self._visibility = VisibilityCheck(self._send_request, context.now)
        self._stage_id_choice = FromStageIdChoice(context)
        self._stages = CurrentStages(self._list_stage_entries)
        self._paths_without_fields: set[str] = set()

    def _create_token_source(self, client_id: str, client_secret: str) -> TokenSource:
        return ClientCredentialTokens(self._context, self._http_client, client_id, client_secret)

    # -- authentication and errors -----------------------------------------------------------
    def _build_headers(self, request: HarvestRequest, until: float) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._get_token(request, until)}"}

    def _get_token(self, request: HarvestRequest, until: float) -> str:
        try:
            with self._context.enter_bulkhead():  # waiting for a token holds the caller, too
                return self._tokens.get_token(self._get_subject(request), until=until)
        except NoScopesGranted as error:
            raise MissingPermission(
                request.permission, error.sentence, evidence=error.evidence
            ) from error
        except ActingUserRefused as error:
            if request.acting_user_id is not None:
                raise
            raise BadCredential(
                "Greenhouse gives no access for the Site Admin whose user ID is entered here. "
                "Check that ID.",
                evidence=error.evidence,
            ) from error

    def _get_subject(self, request: HarvestRequest) -> str | None:
        return self._reader_id if request.acting_user_id is None else str(request.acting_user_id)

    def _discard_token(self, headers: Mapping[str, str], request: HarvestRequest) -> bool:
        self._tokens.discard_token(
            self._get_subject(request), headers["Authorization"].removeprefix("Bearer ")
        )
        return True

    def _send_request(
        self, request: HarvestRequest, *, target: str | None = None, until: float | None = None
    ) -> HttpResponse:
        response = super()._send_request(request, target=target, until=until)
        if not request.is_write:
            is_nonempty = has_records(response)
            self._observed_access.record_read(get_required_scope(request), has_records=is_nonempty)
            if is_nonempty:
                self._visibility.record_visible()
        return response

    def _send_and_confirm(self, request: HarvestRequest) -> HttpResponse:
        response = self._send_request(request)
        if not request.is_write and not has_records(response):
            self._visibility.confirm_empty(request)
        return response

    def _check_empty_list(self, request: HarvestRequest) -> None:
        self._visibility.confirm_empty(request)

    def _map_error(
        self,
        request: HarvestRequest,
        response: HttpResponse,
        error_body: ErrorBody,
        evidence: Evidence,
    ) -> AtsError:
        if response.status == 401:
            return BadCredential(
                "Greenhouse rejected the access token. The credential may have been revoked or "
                "changed.",
                evidence=evidence,
            )
        if response.status == 403:
            return self._map_forbidden(request, error_body, evidence)
        if response.status == 404 and not request.has_record_id:
            return UnreadableResponse(
                "Greenhouse doesn't recognize this API path.", evidence=evidence
            )
        if response.status in (404, 410):
            return NotFound(evidence=evidence)
        return map_validation_error(error_body, evidence)

    def _map_forbidden(
        self, request: HarvestRequest, error_body: ErrorBody, evidence: Evidence
    ) -> AtsError:
        until = self._get_deadline()
        try:
            claims = self._tokens.get_claims(self._get_token(request, until), until=until)
        except AtsError:
            claims = None
        return self._observed_access.explain_forbidden(request, claims, error_body, evidence)

    # -- the credential ----------------------------------------------------------------------
    def verify_credential(self) -> None:
        """Fetch a token and read one job with it; a 403 still proves the credential."""
        request = _build_list_request("jobs", "jobs.list", per_page="1")
        try:
            self._send_request(request)
        except (MissingPermission, NotSiteAdmin):
            return

    def probe_permission(self, permission: str) -> ProbeResult:
        return next(self.probe_permissions([permission]))

    def probe_permissions(
        self, permissions: Iterable[str], *, granted: Collection[str] = ()
    ) -> Iterator[ProbeResult]:
        return v3.probe_permissions(
            self._send_and_confirm,
            self._load_scopes,
            permissions,
            now=self._context.now,
            granted=granted,
        )

    def get_granted_scopes(self) -> frozenset[str] | None:
        """The scopes from the token's claims or introspection; None if both fail."""
        try:
            return self._load_scopes()
        except AtsError:
            return None

    def _load_scopes(self) -> frozenset[str] | None:
        until = self._get_deadline()
        token = self._get_token(_build_list_request("jobs", "jobs.list"), until)
        return self._tokens.get_claims(token, until=until).scopes

    def test_earlier_token(self) -> int:
        """Request a second token and return the status that the first one gets then."""
        until = self._get_deadline()
        request = _build_list_request("jobs", "jobs.list", per_page="1")
        earlier = self._build_headers(request, until)
        self._discard_token(earlier, request)
        self._get_token(request, until)
        url = f"{self._context.api_url}{request.target}"
        try:
            response = self._http_client.send(
                "GET", url, headers=earlier, max_total=MAX_CALL_SECONDS
            )
        except (RequestNotSent, ResponseLost, ResponseTooLarge) as error:
            raise AtsUnavailable from error
        return response.status

    # -- lists -------------------------------------------------------------------------------
    def _select_fields(self, request: HarvestRequest, read: RecordParser[Record]) -> HarvestRequest:
        # Documented for every list. Whether a name that an account lacks is refused is not: after
        # a 422 this client asks that list for all fields [inferred].
        if not isinstance(read, RecordReader) or request.path in self._paths_without_fields:
            return request
        params = {**request.params, "fields": ",".join(read.fields)}
        return msgspec.structs.replace(request, params=params)

    def _drop_fields(self, request: HarvestRequest) -> HarvestRequest | None:
        if "fields" not in request.params:
            return None
        self._paths_without_fields.add(request.path)
        params = {name: value for name, value in request.params.items() if name != "fields"}
        return msgspec.structs.replace(request, params=params)

    def list_users(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[User]]:
        """Does not include service accounts."""
        request = _build_list_request("users", "users.list", **_build_since_param(updated_after))
        return self._iterate_pages(request, payloads.read_user, cursor=cursor)

    def list_user_emails(
        self, *, user_ids: Collection[int] | None = None, cursor: str | None = None
    ) -> Iterator[Page[UserEmail]]:
        if user_ids is None:
            request = _build_list_request("user_emails", "user_emails.list")
            return self._iterate_pages(request, payloads.read_user_email, cursor=cursor)
        return self._list_for_users(
            user_ids, "user_emails", "user_emails.list", payloads.read_user_email, cursor
        )

    def list_user_roles(self, *, cursor: str | None = None) -> Iterator[Page[UserRole]]:
        request = _build_list_request("user_roles", "user_roles.list")
        return self._iterate_pages(request, payloads.read_user_role, cursor=cursor)

    def list_job_permissions(
        self, *, user_ids: Iterable[int], narrow: bool = False, cursor: str | None = None
    ) -> Iterator[Page[JobGrant]]:
        if narrow:
            return self._list_in_batches(user_ids, cursor)
        permission = "user_permissions.list_job_permissions"
        return self._list_for_users(
            user_ids, "user_job_permissions", permission, payloads.read_grant, cursor
        )

    def count_grant_requests(self, *, users: int, account_grants: int, narrow: bool) -> int:
        batches, pages = ceil(users / MAX_FILTER_IDS), ceil(account_grants / int(PER_PAGE))
        return batches if narrow else max(1, pages)

    def _list_for_users(
        self,
        user_ids: Iterable[int],
        resource: str,
        permission: str,
        read: RecordParser[Any],
        cursor: str | None,
    ) -> Iterator[Page[Any]]:
        wanted_ids = frozenset(user_ids)
        if not wanted_ids:
            return iter((Page(records=()),))
        # Too many users for the filter: read the whole list.
        params = (
            {"user_ids": _join_ids(sorted(wanted_ids))} if len(wanted_ids) <= MAX_FILTER_IDS else {}
        )
        request = _build_list_request(resource, permission, **params)
        return self._iterate_pages(
            request, read, cursor=cursor, keep=lambda row: row.user_id in wanted_ids
        )

    def _list_in_batches(
        self, user_ids: Iterable[int], cursor: str | None
    ) -> Iterator[Page[JobGrant]]:
        """Chain filtered lists; the cursor is the first page of the batch to go on with."""
        wanted_ids = list(dict.fromkeys(user_ids))
        batches = [
            wanted_ids[start : start + MAX_FILTER_IDS]
            for start in range(0, len(wanted_ids), MAX_FILTER_IDS)
        ]
        requests = [
            _build_list_request(
                "user_job_permissions",
                "user_permissions.list_job_permissions",
                user_ids=_join_ids(batch),
            )
            for batch in batches
        ]
        targets = [request.target for request in requests]
        if not batches:
            yield Page(records=())
        first = targets.index(cursor) if cursor in targets else 0
        for position in range(first, len(batches)):
            next_target = targets[position + 1] if position + 1 < len(targets) else None
            batch = frozenset(batches[position])
            yield from self._read_batch(requests[position], batch, next_target)

    def _read_batch(
        self,
        request: HarvestRequest,
        batch: frozenset[int],
        next_target: str | None,
    ) -> Iterator[Page[JobGrant]]:
        has_one_page = None
        pages = self._iterate_pages(
            request, payloads.read_grant, keep=lambda row: row.user_id in batch
        )
        for page in pages:
            has_one_page = has_one_page is None and page.cursor is None
            yield msgspec.structs.replace(
                page,
                cursor=request.target if page.cursor else next_target,
                restarted=False,  # of this batch only
                complete_users=tuple(batch) if has_one_page else (),
            )

    def list_jobs(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Job]]:
        request = _build_list_request("jobs", "jobs.list", **_build_since_param(updated_after))
        return self._iterate_pages(request, payloads.read_job, cursor=cursor)

    def list_hiring_team(self, *, cursor: str | None = None) -> Iterator[Page[TeamMember]]:
        # Owners are recruiters, coordinators and sourcers.
        parts = (
            (_build_list_request("job_owners", "hiring_team.owners"), payloads.read_owner),
            (
                _build_list_request("job_hiring_managers", "hiring_team.managers"),
                payloads.read_hiring_manager,
            ),
        )
        return self._chain_lists(parts, cursor=cursor)

    def list_departments(self, *, cursor: str | None = None) -> Iterator[Page[Department]]:
        request = _build_list_request("departments", "departments.list")
        return self._iterate_pages(request, payloads.read_department, cursor=cursor)

    def list_offices(self, *, cursor: str | None = None) -> Iterator[Page[Office]]:
        return self._iterate_pages(
            _build_list_request("offices", "offices.list"), payloads.read_office, cursor=cursor
        )

    def list_stages(
        self,
        *,
        updated_after: datetime | None = None,
        cursor: str | None = None,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[Stage]]:
        request = _build_list_request(
            "job_interview_stages", "job_stages.list", **_build_since_param(updated_after)
        )
        return self._iterate_pages(request, payloads.read_stage, cursor=cursor, changes=changes)

    def list_job_posts(
        self,
        *,
        updated_after: datetime | None = None,
        cursor: str | None = None,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[JobPost]]:
        params = _build_since_param(updated_after)
        active, inactive = _build_job_post_requests("job_posts.list", **params)
        # A cursor does not tell its list, so resuming in the second may read that one twice.
        if cursor != inactive.target:
            for page in self._iterate_pages(
                active, payloads.read_job_post, cursor=cursor, changes=changes
            ):
                yield msgspec.structs.replace(page, cursor=page.cursor or inactive.target)
        yield from self._iterate_pages(inactive, payloads.read_job_post, changes=changes)

    def list_openings(
        self, *, cursor: str | None = None, changes: ChangeFilter | None = None
    ) -> Iterator[Page[Opening]]:
        request = _build_list_request("openings", "openings.list_for_job")
        return self._iterate_pages(request, payloads.read_opening, cursor=cursor, changes=changes)

    def list_close_reasons(self, *, cursor: str | None = None) -> Iterator[Page[CloseReason]]:
        request = _build_list_request("close_reasons", "close_reasons.list")
        return self._iterate_pages(request, payloads.read_close_reason, cursor=cursor)

    def list_rejection_reasons(
        self, *, cursor: str | None = None
    ) -> Iterator[Page[RejectionReason]]:
        """Includes Greenhouse's default reasons (documented parameter)."""
        request = _build_list_request(
            "rejection_reasons", "rejection_reasons.list", include_defaults="true"
        )
        return self._iterate_pages(request, payloads.read_rejection_reason, cursor=cursor)

    def list_email_templates(self, *, cursor: str | None = None) -> Iterator[Page[EmailTemplate]]:
        request = _build_list_request("email_templates", "email_templates.list")
        return self._iterate_pages(request, payloads.read_email_template, cursor=cursor)

    def list_custom_fields(self, *, cursor: str | None = None) -> Iterator[Page[CustomField]]:
        request = _build_list_request(
            "custom_fields", "custom_fields.list", field_type="application"
        )
        refusal: AtsError | None = None
        for page in self._iterate_pages(
            request,
            custom_fields.read_field,
            cursor=cursor,
            keep=custom_fields.is_application_field,
        ):
            fields = page.records
            try:
                if refusal is None:
                    fields = custom_fields.attach_options(fields, self._list_options)
            except LIST_REFUSALS as error:
                refusal = error
            if refusal is not None:  # known select fields keep their options
                fields = custom_fields.leave_out_selects(fields)
            yield msgspec.structs.replace(page, records=fields)
        if refusal is not None:
            raise refusal

    def _list_options(self, field_ids: Sequence[int]) -> Iterator[custom_fields.FieldOption]:
        for start in range(0, len(field_ids), MAX_FILTER_IDS):
            chunk = _join_ids(field_ids[start : start + MAX_FILTER_IDS])
            request = _build_list_request(
                "custom_field_options", "custom_field_options.list", custom_field_ids=chunk
            )
            for page in self._iterate_pages(request, custom_fields.read_option):
                yield from page.records

    def list_sources(self, *, cursor: str | None = None) -> Iterator[Page[Source]]:
        return self._iterate_pages(
            _build_list_request("sources", "sources.list"), payloads.read_source, cursor=cursor
        )

    def list_applications(
        self,
        *,
        changed_after: datetime | None = None,
        cursor: str | None = None,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[Application]]:
        request = _build_list_request(
            "applications", "applications.list", **_build_since_param(changed_after)
        )
        return self._fill_page_stages(
            self._iterate_pages(request, payloads.read_application, cursor=cursor, changes=changes)
        )

    def list_current_stage_entries(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[StageEntry]]:
        request = _build_list_request(
            "application_stages",
            "application_stages.list",
            current="true",
            **_build_since_param(updated_after),
        )
        return self._iterate_pages(request, payloads.read_stage_entry, cursor=cursor)

    def list_candidates(
        self,
        *,
        updated_after: datetime | None = None,
        cursor: str | None = None,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[Candidate]]:
        request = _build_list_request(
            "candidates", "candidates.list", **_build_since_param(updated_after)
        )
        return self._iterate_pages(request, payloads.read_candidate, cursor=cursor, changes=changes)

    # -- single records ----------------------------------------------------------------------
    def _get_record(
        self, resource: str, record_id: int, permission: str, read: RecordParser[IdentifiedRecord]
    ) -> IdentifiedRecord:
        """Fetch a record by filtering its list: v3 has no endpoints for single records."""
        request = HarvestRequest(
            path=f"/v3/{resource}",
            template=f"/v3/{resource}",
            permission=permission,
            params={"ids": str(int(record_id))},
        )
        unreadable: list[UnreadableRecord] = []
        for page in self._iterate_pages(request, read):
            for record in page.records:
                if record.id == record_id:
                    return record
            unreadable += page.set_aside
            if not page.records:
                break
        if unreadable:
            raise UnreadableResponse(f"Couldn't read Greenhouse's record: {unreadable[0].reason}")
        evidence = Evidence(
            method="GET",
            path=request.template,
            status=200,
            message="an empty list",
            at=datetime.fromtimestamp(self._context.now(), UTC),
        )
        raise NotFound(evidence=evidence)

    def get_user(self, user_id: int) -> User:
        return self._get_record("users", user_id, "users.retrieve", payloads.read_user)

    def get_job(self, job_id: int) -> Job:
        return self._get_record("jobs", job_id, "jobs.retrieve", payloads.read_job)

    def get_application(self, application_id: int) -> Application:
        read = payloads.read_application
        application = self._get_record(
            "applications", application_id, "applications.retrieve", read
        )
        return self._stages.fill_stages((application,))[0]

    def get_candidate(self, candidate_id: int) -> Candidate:
        return self._get_record(
            "candidates", candidate_id, "candidates.retrieve", payloads.read_candidate
        )

    def get_stage(self, stage_id: int) -> Stage:
        return self._get_record(
            "job_interview_stages", stage_id, "job_stages.retrieve", payloads.read_stage
        )

    def list_stages_for_job(self, job_id: int) -> CompleteList[Stage]:
        request = _build_list_request(
            "job_interview_stages", "job_stages.list_for_job", job_ids=str(int(job_id))
        )
        stages = self._list_all(request, payloads.read_stage, lambda row: row.job_id == job_id)
        return CompleteList(sorted(stages, key=lambda stage: stage.order), stages.set_aside)

    def list_posts_for_job(self, job_id: int) -> CompleteList[JobPost]:
        requests = _build_job_post_requests("job_posts.list_for_job", job_ids=str(int(job_id)))
        lists = [
            self._list_all(request, payloads.read_job_post, lambda post: post.job_id == job_id)
            for request in requests
        ]
        return CompleteList(chain(*lists), chain(*(posts.set_aside for posts in lists)))

    def list_openings_for_job(self, job_id: int) -> CompleteList[Opening]:
        request = _build_list_request("openings", "openings.list_for_job", job_ids=str(int(job_id)))
        return self._list_all(
            request, payloads.read_opening, lambda opening: opening.job_id == job_id
        )

    def list_applications_for_job(
        self, job_id: int, *, cursor: str | None = None
    ) -> Iterator[Page[Application]]:
        request = _build_list_request("applications", "applications.list", job_ids=str(int(job_id)))
        pages = self._iterate_pages(
            request,
            payloads.read_application,
            cursor=cursor,
            keep=lambda application: (
                application.job_id == job_id or job_id in application.prospective_job_ids
            ),
        )
        return self._fill_page_stages(pages)

    def list_stage_history(self, application_id: int) -> tuple[StageEntry, ...]:
        entries = self._list_stage_entries({"application_ids": str(int(application_id))})
        own_entries = [entry for entry in entries if entry.application_id == application_id]
        earliest = datetime.min.replace(tzinfo=UTC)
        return tuple(
            sorted(own_entries, key=lambda entry: (entry.entered_at or earliest, entry.id))
        )

    def _list_stage_entries(self, params: Mapping[str, str]) -> Iterator[StageEntry]:
        request = _build_list_request("application_stages", "application_stages.list", **params)
        for page in self._iterate_pages(request, payloads.read_stage_entry):
            yield from page.records

    def _fill_page_stages(self, pages: Iterator[Page[Application]]) -> Iterator[Page[Application]]:
        for page in pages:
            yield msgspec.structs.replace(page, records=self._stages.fill_stages(page.records))

    def list_attachments(self, candidate_id: int) -> tuple[Attachment, ...]:
        """Needs the scope `harvest:attachments:list`."""
        request = _build_list_request(
            "attachments", "attachments.list", candidate_ids=str(int(candidate_id))
        )
        attachments = self._list_all(
            request,
            payloads.read_attachment,
            lambda attachment: attachment.candidate_id == candidate_id,
        )
        return tuple(attachment.file for attachment in attachments)

    # -- writes ------------------------------------------------------------------------------
    def advance_application(
        self, application_id: int, *, seen: SeenStage, acting_user_id: int
    ) -> WriteResult:
        """A move without a target stage, as v3 has no advance endpoint."""
        return self._move_from_stage("advance", application_id, seen, {}, acting_user_id)

    def move_application(
        self, application_id: int, *, seen: SeenStage, to_stage_id: int, acting_user_id: int
    ) -> WriteResult:
        return self._move_from_stage(
            "move", application_id, seen, {"to_stage_id": to_stage_id}, acting_user_id
        )

    def transfer_application(
        self,
        application_id: int,
        *,
        seen: SeenStage,
        to_job_id: int,
        to_stage_id: int | None = None,
        acting_user_id: int,
    ) -> WriteResult:
        # Sources disagree whether both targets may be sent at once, so the stage follows after.
        target = {"to_job_id": to_job_id}
        result = self._move_from_stage("transfer", application_id, seen, target, acting_user_id)
        transferred = result.application
        if to_stage_id is None or transferred is None or transferred.stage_id == to_stage_id:
            return result
        try:
            return self.move_application(
                application_id,
                seen=transferred.seen_stage,
                to_stage_id=to_stage_id,
                acting_user_id=acting_user_id,
            )
        except AtsError:  # the transfer itself has succeeded
            return WriteResult(application=self._reread_application(application_id))

    def reject_application(
        self,
        application_id: int,
        *,
        reason_id: int,
        notes: str | None = None,
        email: RejectionEmail | None = None,
        acting_user_id: int,
    ) -> WriteResult:
        body: dict[str, Any] = {"rejection_reason_id": reason_id}
        if notes:
            body["notes"] = notes
        if email is not None:
            body["rejection_email"] = _build_email_body(email)
        request = build_v3_write_request("reject", application_id, body, acting_user_id)
        return self._write_application(
            request, application_id, required_status="active", until=self._get_deadline()
        )

    def unreject_application(self, application_id: int, *, acting_user_id: int) -> WriteResult:
        request = build_v3_write_request("unreject", application_id, {}, acting_user_id)
        return self._write_application(
            request, application_id, required_status="rejected", until=self._get_deadline()
        )

    def update_application(
        self, application_id: int, *, changes: ApplicationChanges, acting_user_id: int
    ) -> WriteResult:
        request = build_v3_write_request(
            "update", application_id, custom_fields.build_changes_body(changes), acting_user_id
        )
        return self._write_application(
            request, application_id, required_status="", until=self._get_deadline()
        )

    def add_note(
        self,
        application_id: int,
        *,
        candidate_id: int,
        body: str,
        visibility: NoteVisibility,
        acting_user_id: int,
    ) -> int | None:
        """The author is the token's user: `user_id` is left out."""
        content = {
            "candidate_id": candidate_id,
            "application_id": application_id,
            "body": body,
            "note_type": "NOTE",
            "visibility": visibility.value,
        }
        response = self._send_write(
            build_v3_note_request(content, acting_user_id),
            application_id=application_id,
            required_status="",
            until=self._get_deadline(),
        )
        return read_created_id(response.body)

    def list_notes(self, application_id: int, *, written_after: datetime) -> tuple[Note, ...]:
        """Needs the scope `harvest:notes:list`."""
        request = _build_list_request(
            "notes",
            "notes.list",
            application_ids=str(int(application_id)),
            created_at=f"gte|{format_timestamp(written_after)}",
            type="NOTE",
        )
        notes = self._list_all(
            request,
            payloads.read_application_note,
            lambda note: note.application_id == application_id,
        )
        return tuple(note.note for note in notes)

    def _write_application(
        self, request: HarvestRequest, application_id: int, *, required_status: str, until: float
    ) -> WriteResult:
        # v3 answers 204 without a body, so the application is read again.
        self._send_write(
            request, application_id=application_id, required_status=required_status, until=until
        )
        return WriteResult(application=self._reread_application(application_id))

    def _move_from_stage(
        self,
        action: str,
        application_id: int,
        seen: SeenStage,
        target: Mapping[str, int],
        acting_user_id: int,
    ) -> WriteResult:
        """Move with the likelier kind of `from_stage_id`; if it is refused, with the other."""
        until = self._get_deadline()

        def send(choice: str, from_stage_id: int) -> WriteResult:
            body = {"from_stage_id": from_stage_id, **target}
            request = build_v3_write_request(action, application_id, body, acting_user_id)
            result = self._write_application(
                request, application_id, required_status="active", until=until
            )
            self._stage_id_choice.record_success(choice)
            return result

        first = next(self._stage_id_choice.list_choices(seen), None)
        if first is None:
            raise Conflict("This application isn't in a stage, so it can't be moved.")
        try:
            return send(*first)
        except (Conflict, InvalidValues) as error:
            if not is_from_stage_error(error):
                raise
            second = self._choose_other_stage_id(application_id, seen, first[0], error)
            return send(*second)

    def _choose_other_stage_id(
        self,
        application_id: int,
        seen: SeenStage,
        tried_choice: str,
        error: Conflict | InvalidValues,
    ) -> tuple[str, int]:
        # A 422 about the stage means that the application has moved, or that we sent the wrong kind
        # of id: read it to find out which before trying again.
        current = self._reread_application(application_id)
        if current is not None:
            if current.status != "active" or _has_moved(seen, current.seen_stage):
                raise Conflict(error.sentence, evidence=error.evidence) from error
            seen = SeenStage(
                stage_id=seen.stage_id or current.stage_id,
                entry_id=seen.entry_id or current.stage_entry_id,
            )
        for choice, value in self._stage_id_choice.list_choices(seen):
            if choice != tried_choice:
                return choice, value
        raise error


def _has_moved(seen: SeenStage, current: SeenStage) -> bool:
    pairs = ((seen.stage_id, current.stage_id), (seen.entry_id, current.entry_id))
    return any(a is not None and b is not None and a != b for a, b in pairs)


def _build_email_body(email: RejectionEmail) -> dict[str, Any]:
    body: dict[str, Any] = {"email_template_id": email.template_id}
    if email.send_at is not None:
        body["send_email_at"] = format_timestamp(email.send_at)
    if email.from_user_id is not None:
        body["email_from_user_id"] = email.from_user_id
    return body
