"""Client for Harvest v1: API key, nested records, `On-Behalf-Of` on every write."""

# Source: Harvest v1 documentation. Its removal was announced for 2026-08-31. What it answers
# since is undocumented, so any 401, 403, 404 or 410 on a path without a record id may mean that
# it is gone.

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import msgspec

from integrations.ats.client_context import ClientContext
from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    BadCredential,
    Conflict,
    Evidence,
    MissingPermission,
    NotFound,
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
    User,
    UserEmail,
    UserRole,
    WriteResult,
)
from integrations.greenhouse.client.base import PER_PAGE, HarvestClient, format_timestamp
from integrations.greenhouse.credential_kinds import V1_RETIREMENT
from integrations.greenhouse.oauth.client import build_basic_auth
from integrations.greenhouse.payloads import custom_fields
from integrations.greenhouse.payloads import v1 as payloads
from integrations.greenhouse.payloads.decoding import RecordParser, decode_record, read_created_id
from integrations.greenhouse.permission_catalogue import get_permission_label
from integrations.greenhouse.probes import v1
from integrations.greenhouse.transport.error_body import (
    ErrorBody,
    build_html_page_error,
    map_validation_error,
)
from integrations.greenhouse.transport.request import HarvestRequest
from integrations.greenhouse.write_requests import build_v1_note_request, build_v1_write_request
from integrations.http.client import HttpClient, HttpResponse

Record = TypeVar("Record")

_MISSING_PERMISSION_TEXT = "does not have permission for this endpoint"
_RETIRED_SENTENCE = (
    f"Harvest v1 no longer works for this account. {V1_RETIREMENT} Create a Harvest v3 credential."
)
CONFIRMATION_TTL = 10.0  # seconds for which a successful response proves that v1 is available
_LIST_PARAMS = {"per_page": PER_PAGE, "skip_count": "true"}


def _build_list_request(path: str, permission: str, **params: str) -> HarvestRequest:
    return HarvestRequest(
        path=path, template=path, permission=permission, params=_LIST_PARAMS | params
    )


def _build_since_param(name: str, moment: datetime | None) -> dict[str, str]:
    return {name: format_timestamp(moment)} if moment else {}


class HarvestV1(HarvestClient):
    """Provider for Harvest v1. `secrets`: `api_key`."""

    kind: str = "harvest_key"
    window: ClassVar[float] = 10.0  # documented
    pages_may_shift: bool = True  # documented: pages are numbered
    lists_grants_by_user: bool = True

    def __init__(
        self, secrets: Mapping[str, str], context: ClientContext, http: HttpClient | None = None
    ) -> None:
        key = secrets["api_key"].strip()
        self._authorization = build_basic_auth(key)
        self._last_served_at = float("-inf")  # when v1 last answered successfully
        super().__init__(context, http, (key, self._authorization))

    # -- authentication and errors -----------------------------------------------------------
    def _build_headers(self, request: HarvestRequest, until: float) -> Mapping[str, str]:
        on_behalf_of = (
            {} if request.acting_user_id is None else {"On-Behalf-Of": str(request.acting_user_id)}
        )
        return {"Authorization": self._authorization} | on_behalf_of

    def _discard_token(self, headers: Mapping[str, str], request: HarvestRequest) -> bool:
        return False

    def _map_error(
        self,
        request: HarvestRequest,
        response: HttpResponse,
        error_body: ErrorBody,
        evidence: Evidence,
    ) -> AtsError:
        if response.status == 401:
            return BadCredential(
                f"Greenhouse doesn't accept this API key. {V1_RETIREMENT}",
                evidence=evidence,
            )
        if response.status == 410:
            return BadCredential(_RETIRED_SENTENCE, evidence=evidence)
        if response.status == 403:
            return self._map_forbidden(request, error_body, evidence)
        if response.status == 404:
            return self._map_not_found(request, error_body, evidence)
        return map_validation_error(error_body, evidence)

    def _map_forbidden(
        self, request: HarvestRequest, error_body: ErrorBody, evidence: Evidence
    ) -> AtsError:
        if not error_body.is_json:
            return build_html_page_error(evidence)
        if (
            request.acting_user_id is not None
            and _MISSING_PERMISSION_TEXT not in error_body.message
        ):
            return ActingUserRefused(evidence=evidence)
        label = get_permission_label(request.permission)
        sentence = f"The Greenhouse API key is missing the permission “{label}”."
        if _MISSING_PERMISSION_TEXT not in error_body.message:
            sentence = (
                f"Greenhouse refuses this without saying why. The API key may lack the permission "
                f"“{label}”. {V1_RETIREMENT}"
            )
        return MissingPermission(request.permission, sentence, evidence=evidence)

    def _map_not_found(
        self, request: HarvestRequest, error_body: ErrorBody, evidence: Evidence
    ) -> AtsError:
        if not request.has_record_id:
            return BadCredential(_RETIRED_SENTENCE, evidence=evidence)
        if request.is_write and error_body.message.lower().startswith(
            ("not found", "access denied")
        ):
            return ActingUserRefused(
                "You don't have access to this application in Greenhouse.",
                evidence=evidence,
            )
        if request.path != request.template.format(id=0):  # id 0: a probe
            try:
                self._require_v1_available()
            except AtsError as error:  # then the 404 is not about the record
                return error
        return NotFound(evidence=evidence)

    def _require_v1_available(self) -> None:
        # Since its removal v1 may answer 404 on every path.
        if self._last_served_at <= self._context.now() - CONFIRMATION_TTL:
            self.verify_credential()
            self._last_served_at = self._context.now()

    def _send_request(
        self, request: HarvestRequest, *, target: str | None = None, until: float | None = None
    ) -> HttpResponse:
        response = super()._send_request(request, target=target, until=until)
        self._last_served_at = self._context.now()
        return response

    def _check_empty_list(self, request: HarvestRequest) -> None:
        """Never raises: a key sees all or nothing of an endpoint (documented)."""

    # -- the credential ----------------------------------------------------------------------
    def verify_credential(self) -> None:
        """Read one job with `GET /v1/jobs`; a missing permission still proves the key."""
        request = HarvestRequest(
            path="/v1/jobs",
            template="/v1/jobs",
            permission="jobs.list",
            params={"per_page": "1", "skip_count": "true"},
        )
        try:
            self._send_request(request)
        except MissingPermission as error:
            if error.evidence is None or _MISSING_PERMISSION_TEXT not in error.evidence.message:
                raise BadCredential(error.sentence, evidence=error.evidence) from error

    def probe_permission(self, permission: str) -> ProbeResult:
        return next(self.probe_permissions([permission]))

    def probe_permissions(
        self, permissions: Iterable[str], *, granted: Collection[str] = ()
    ) -> Iterator[ProbeResult]:
        """`granted` changes nothing here: a 403 of v1 is unambiguous."""
        return v1.probe_permissions(self._send_request, permissions, now=self._context.now)

    def get_granted_scopes(self) -> None:
        """None: the permissions of an API key cannot be read."""

    # -- lists -------------------------------------------------------------------------------
    def list_users(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[User]]:
        request = _build_list_request(
            "/v1/users", "users.list", **_build_since_param("updated_after", updated_after)
        )
        return self._iterate_pages(request, payloads.read_user, cursor=cursor)

    def list_user_emails(
        self, *, user_ids: Collection[int] | None = None, cursor: str | None = None
    ) -> Iterator[Page[UserEmail]]:
        """One empty page: v1 users include their addresses."""
        yield Page(records=())

    def list_user_roles(self, *, cursor: str | None = None) -> Iterator[Page[UserRole]]:
        request = _build_list_request("/v1/user_roles", "user_roles.list")
        return self._iterate_pages(request, payloads.read_user_role, cursor=cursor)

    def list_job_permissions(
        self, *, user_ids: Iterable[int], narrow: bool = False, cursor: str | None = None
    ) -> Iterator[Page[JobGrant]]:
        """Chain one list per user, in their order; the cursor's path contains the user id. Pass
        only users who can have grants.
        """
        remaining_ids = list(dict.fromkeys(user_ids))
        resumed_id = int(urlsplit(cursor).path.split("/")[3]) if cursor else None
        if resumed_id in remaining_ids:
            del remaining_ids[: remaining_ids.index(resumed_id)]
        parts = [
            (
                HarvestRequest(
                    path=f"/v1/users/{user_id}/permissions/jobs",
                    template="/v1/users/{id}/permissions/jobs",
                    permission="user_permissions.list_job_permissions",
                    params=_LIST_PARAMS,
                ),
                payloads.make_grant_reader(user_id),
            )
            for user_id in remaining_ids
        ]
        if not parts:
            yield Page(records=())
        for position, (user_id, (request, read)) in enumerate(
            zip(remaining_ids, parts, strict=True)
        ):
            next_list = parts[position + 1][0].target if position + 1 < len(parts) else None
            resume = cursor if cursor and urlsplit(cursor).path == request.path else None
            is_first_page = resume is None or resume == request.target
            try:
                for page in self._iterate_pages(request, read, cursor=resume):
                    is_complete = is_first_page and page.cursor is None
                    yield msgspec.structs.replace(
                        page,
                        cursor=page.cursor or next_list,
                        complete_users=(user_id,) if is_complete else (),
                    )
                    is_first_page = False
            except NotFound:  # deleted since the users were listed
                yield Page(records=(), cursor=next_list, complete_users=(user_id,))

    def count_grant_requests(self, *, users: int, account_grants: int, narrow: bool) -> int:
        return users

    def list_jobs(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Job]]:
        request = _build_list_request(
            "/v1/jobs", "jobs.list", **_build_since_param("updated_after", updated_after)
        )
        return self._iterate_pages(request, payloads.read_job, cursor=cursor)

    def list_hiring_team(self, *, cursor: str | None = None) -> Iterator[Page[TeamMember]]:
        """One empty page: v1 jobs include their team."""
        yield Page(records=())

    def list_departments(self, *, cursor: str | None = None) -> Iterator[Page[Department]]:
        request = _build_list_request("/v1/departments", "departments.list")
        return self._iterate_pages(request, payloads.read_department, cursor=cursor)

    def list_offices(self, *, cursor: str | None = None) -> Iterator[Page[Office]]:
        request = _build_list_request("/v1/offices", "offices.list")
        return self._iterate_pages(request, payloads.read_office, cursor=cursor)

    def list_stages(
        self,
        *,
        updated_after: datetime | None = None,
        cursor: str | None = None,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[Stage]]:
        request = _build_list_request(
            "/v1/job_stages",
            "job_stages.list",
            **_build_since_param("updated_after", updated_after),
        )
        return self._iterate_pages(request, payloads.read_stage, cursor=cursor, changes=changes)

    def list_job_posts(
        self,
        *,
        updated_after: datetime | None = None,
        cursor: str | None = None,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[JobPost]]:
        request = _build_list_request(
            "/v1/job_posts", "job_posts.list", **_build_since_param("updated_after", updated_after)
        )
        return self._iterate_pages(request, payloads.read_job_post, cursor=cursor, changes=changes)

    def list_openings(
        self, *, cursor: str | None = None, changes: ChangeFilter | None = None
    ) -> Iterator[Page[Opening]]:
        """One empty page: v1 jobs include their openings."""
        yield Page(records=())

    def list_close_reasons(self, *, cursor: str | None = None) -> Iterator[Page[CloseReason]]:
        request = _build_list_request("/v1/close_reasons", "close_reasons.list")
        return self._iterate_pages(request, payloads.read_close_reason, cursor=cursor)

    def list_rejection_reasons(
        self, *, cursor: str | None = None
    ) -> Iterator[Page[RejectionReason]]:
        """Includes Greenhouse's default reasons (documented parameter)."""
        request = _build_list_request(
            "/v1/rejection_reasons", "rejection_reasons.list", include_defaults="true"
        )
        return self._iterate_pages(request, payloads.read_rejection_reason, cursor=cursor)

    def list_email_templates(self, *, cursor: str | None = None) -> Iterator[Page[EmailTemplate]]:
        request = _build_list_request("/v1/email_templates", "email_templates.list")
        return self._iterate_pages(request, payloads.read_email_template, cursor=cursor)

    def list_custom_fields(self, *, cursor: str | None = None) -> Iterator[Page[CustomField]]:
        """Fields include their options. Deleted fields are not listed."""
        request = _build_list_request("/v1/custom_fields/application", "custom_fields.list")
        return self._iterate_pages(
            request,
            custom_fields.read_field,
            cursor=cursor,
            keep=custom_fields.is_application_field,
        )

    def list_sources(self, *, cursor: str | None = None) -> Iterator[Page[Source]]:
        request = _build_list_request("/v1/sources", "sources.list")
        return self._iterate_pages(request, payloads.read_source, cursor=cursor)

    def list_applications(
        self,
        *,
        changed_after: datetime | None = None,
        cursor: str | None = None,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[Application]]:
        """Filters by `last_activity_after`: v1 has no `updated_after` for applications."""
        since = _build_since_param("last_activity_after", changed_after)
        request = _build_list_request("/v1/applications", "applications.list", **since)
        return self._iterate_pages(
            request, payloads.read_application, cursor=cursor, changes=changes
        )

    def list_current_stage_entries(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[StageEntry]]:
        """One empty page: v1 has no stage history endpoint."""
        yield Page(records=())

    def list_candidates(
        self,
        *,
        updated_after: datetime | None = None,
        cursor: str | None = None,
        changes: ChangeFilter | None = None,
    ) -> Iterator[Page[Candidate]]:
        since = _build_since_param("updated_after", updated_after)
        request = _build_list_request("/v1/candidates", "candidates.list", **since)
        return self._iterate_pages(request, payloads.read_candidate, cursor=cursor, changes=changes)

    # -- single records ----------------------------------------------------------------------
    def _get_record(
        self, path: str, record_id: int, permission: str, read: RecordParser[Record]
    ) -> Record:
        request = HarvestRequest(
            path=path.format(id=int(record_id)),
            template=path,
            permission=permission,
        )
        return self._fetch_record(request, read)

    def get_user(self, user_id: int) -> User:
        return self._get_record("/v1/users/{id}", user_id, "users.retrieve", payloads.read_user)

    def get_job(self, job_id: int) -> Job:
        return self._get_record("/v1/jobs/{id}", job_id, "jobs.retrieve", payloads.read_job)

    def get_application(self, application_id: int) -> Application:
        return self._get_record(
            "/v1/applications/{id}",
            application_id,
            "applications.retrieve",
            payloads.read_application,
        )

    def get_candidate(self, candidate_id: int) -> Candidate:
        return self._get_record(
            "/v1/candidates/{id}", candidate_id, "candidates.retrieve", payloads.read_candidate
        )

    def get_stage(self, stage_id: int) -> Stage:
        return self._get_record(
            "/v1/job_stages/{id}", stage_id, "job_stages.retrieve", payloads.read_stage
        )

    def _list_for_job(
        self, job_id: int, subpath: str, permission: str, read: RecordParser[Record]
    ) -> Any:
        request = HarvestRequest(
            path=f"/v1/jobs/{int(job_id)}/{subpath}",
            template=f"/v1/jobs/{{id}}/{subpath}",
            permission=permission,
            params=_LIST_PARAMS,
        )
        return self._list_all(request, read)

    def list_stages_for_job(self, job_id: int) -> CompleteList[Stage]:
        stages: CompleteList[Stage] = self._list_for_job(
            job_id, "stages", "job_stages.list_for_job", payloads.read_stage
        )
        return CompleteList(sorted(stages, key=lambda stage: stage.order), stages.set_aside)

    def list_posts_for_job(self, job_id: int) -> CompleteList[JobPost]:
        posts: CompleteList[JobPost] = self._list_for_job(
            job_id, "job_posts", "job_posts.list_for_job", payloads.read_job_post
        )
        return posts

    def list_openings_for_job(self, job_id: int) -> CompleteList[Opening]:
        openings: CompleteList[Opening] = self._list_for_job(
            job_id, "openings", "openings.list_for_job", payloads.make_opening_reader(job_id)
        )
        return openings

    def list_applications_for_job(
        self, job_id: int, *, cursor: str | None = None
    ) -> Iterator[Page[Application]]:
        """Filters the response as well, because v1 ignores parameters it does not know."""
        request = _build_list_request(
            "/v1/applications", "applications.list", job_id=str(int(job_id))
        )
        return self._iterate_pages(
            request,
            payloads.read_application,
            cursor=cursor,
            keep=lambda application: (
                application.job_id == job_id or job_id in application.prospective_job_ids
            ),
        )

    def list_stage_history(self, application_id: int) -> tuple[StageEntry, ...]:
        return ()

    def list_attachments(self, candidate_id: int) -> tuple[Attachment, ...]:
        return self._get_record(
            "/v1/candidates/{id}", candidate_id, "candidates.retrieve", payloads.read_attachments
        )

    # -- writes ------------------------------------------------------------------------------
    def advance_application(
        self, application_id: int, *, seen: SeenStage, acting_user_id: int
    ) -> WriteResult:
        return self._write_application(
            application_id, "advance", {"from_stage_id": _require_stage_id(seen)}, acting_user_id
        )

    def move_application(
        self, application_id: int, *, seen: SeenStage, to_stage_id: int, acting_user_id: int
    ) -> WriteResult:
        body = {"from_stage_id": _require_stage_id(seen), "to_stage_id": to_stage_id}
        return self._write_application(application_id, "move", body, acting_user_id)

    def transfer_application(
        self,
        application_id: int,
        *,
        seen: SeenStage,
        to_job_id: int,
        to_stage_id: int | None = None,
        acting_user_id: int,
    ) -> WriteResult:
        """`seen` is not checked: v1 has no `from_stage_id` for transfers."""
        body: dict[str, Any] = {"new_job_id": to_job_id}
        if to_stage_id is not None:
            body["new_stage_id"] = to_stage_id
        return self._write_application(application_id, "transfer", body, acting_user_id)

    def reject_application(
        self,
        application_id: int,
        *,
        reason_id: int,
        notes: str | None = None,
        email: RejectionEmail | None = None,
        acting_user_id: int,
    ) -> WriteResult:
        """`email.from_user_id` is ignored: v1 sends the email in the acting user's name."""
        body: dict[str, Any] = {"rejection_reason_id": reason_id}
        if notes:
            body["notes"] = notes
        if email is not None:
            body["rejection_email"] = {"email_template_id": email.template_id} | (
                {"send_email_at": format_timestamp(email.send_at)} if email.send_at else {}
            )
        return self._write_application(application_id, "reject", body, acting_user_id)

    def unreject_application(self, application_id: int, *, acting_user_id: int) -> WriteResult:
        return self._write_application(application_id, "unreject", {}, acting_user_id)

    def update_application(
        self, application_id: int, *, changes: ApplicationChanges, acting_user_id: int
    ) -> WriteResult:
        return self._write_application(
            application_id, "update", custom_fields.build_changes_body(changes), acting_user_id
        )

    def _write_application(
        self, application_id: int, action: str, body: dict[str, Any], acting_user_id: int
    ) -> WriteResult:
        until = self._get_deadline()
        request = build_v1_write_request(action, application_id, body, acting_user_id)
        required_status = {"update": "", "unreject": "rejected"}.get(action, "active")
        response = self._send_write(
            request, application_id=application_id, required_status=required_status, until=until
        )
        try:
            return WriteResult(application=decode_record(response.body, payloads.read_application))
        except AtsError:  # accepted, but the response is not as documented
            return WriteResult(application=self._reread_application(application_id))

    def add_note(
        self,
        application_id: int,
        *,
        candidate_id: int,
        body: str,
        visibility: NoteVisibility,
        acting_user_id: int,
    ) -> int | None:
        """The note is the candidate's: v1 can't attach it to an application."""
        until = self._get_deadline()
        content = {"user_id": acting_user_id, "body": body, "visibility": visibility.value}
        request = build_v1_note_request(candidate_id, content, acting_user_id)
        response = self._send_write(
            request, application_id=application_id, required_status="", until=until
        )
        return read_created_id(response.body)

    def list_notes(self, application_id: int, *, written_after: datetime) -> None:
        """None: v1 documents no list of notes."""


def _require_stage_id(seen: SeenStage) -> int:
    if seen.stage_id is None:
        raise Conflict("This application isn't in a stage, so it can't be moved.")
    return seen.stage_id
