"""The interface between the portal and any ATS. All methods may raise AtsError; writes are never
retried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from integrations.ats.permissions import ProbeResult
from integrations.ats.types import (
    Application,
    ApplicationChanges,
    Attachment,
    Candidate,
    CloseReason,
    CompleteList,
    CustomField,
    Department,
    EmailTemplate,
    FutureJobGrant,
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
    User,
    UserEmail,
    UserRole,
    WriteResult,
)


class AccountSample(msgspec.Struct, frozen=True, kw_only=True):
    user_ids: frozenset[int] = frozenset()
    job_ids: frozenset[int] = frozenset()


class Provider(Protocol):
    """One credential's access to an ATS account; a context manager.

    Lists resume from `cursor` (`Page.cursor`). One that this ATS embeds in other records, or
    doesn't have, yields one empty page.
    """

    kind: str
    # Whether a record deleted while a list is read can hide another one.
    pages_may_shift: bool

    # -- the credential ------------------------------------------------------------------
    def verify_credential(self) -> None:
        """Make one harmless call. Raises BadCredential, AtsUnavailable, RateLimited or
        UnreadableResponse.
        """

    def get_account_sample(self) -> AccountSample: ...

    def probe_permission(self, permission: str) -> ProbeResult:
        """Check a permission without changing anything. Never raises AtsError: UNCLEAR instead."""

    def probe_permissions(self, permissions: Sequence[str]) -> Iterator[ProbeResult]: ...

    def get_granted_scopes(self) -> frozenset[str] | None:
        """All scopes, requested or not; None if the ATS doesn't say."""

    # -- reading lists -------------------------------------------------------------------
    def list_users(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[User]]: ...

    def list_user_emails(
        self, *, user_ids: Collection[int] | None = None, cursor: str | None = None
    ) -> Iterator[Page[UserEmail]]: ...

    def list_user_roles(self, *, cursor: str | None = None) -> Iterator[Page[UserRole]]: ...

    def list_job_permissions(
        self, *, user_ids: Iterable[int], narrow: bool = False, cursor: str | None = None
    ) -> Iterator[Page[JobGrant]]:
        """Grants of these users. `narrow` asks for them only, even if they are many."""

    def count_grant_requests(self, *, users: int, account_grants: int, narrow: bool) -> int:
        """About how many requests `list_job_permissions` needs."""

    def list_future_job_permissions(
        self, *, user_ids: Iterable[int], cursor: str | None = None
    ) -> Iterator[Page[FutureJobGrant]]: ...

    def list_jobs(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Job]]: ...

    def list_hiring_team(self, *, cursor: str | None = None) -> Iterator[Page[TeamMember]]: ...

    def list_departments(self, *, cursor: str | None = None) -> Iterator[Page[Department]]: ...

    def list_offices(self, *, cursor: str | None = None) -> Iterator[Page[Office]]: ...

    def list_stages(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Stage]]: ...

    def list_job_posts(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[JobPost]]: ...

    def list_openings(self, *, cursor: str | None = None) -> Iterator[Page[Opening]]: ...

    def list_close_reasons(self, *, cursor: str | None = None) -> Iterator[Page[CloseReason]]: ...

    def list_rejection_reasons(
        self, *, cursor: str | None = None
    ) -> Iterator[Page[RejectionReason]]: ...

    def list_email_templates(
        self, *, cursor: str | None = None
    ) -> Iterator[Page[EmailTemplate]]: ...

    def list_custom_fields(self, *, cursor: str | None = None) -> Iterator[Page[CustomField]]: ...

    def list_sources(self, *, cursor: str | None = None) -> Iterator[Page[Source]]: ...

    def list_applications(
        self, *, changed_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Application]]:
        """`changed_after`: with activity since (v1 has no `updated_after` for applications)."""

    def list_current_stage_entries(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[StageEntry]]: ...

    def list_candidates(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Candidate]]: ...

    # -- reading single records ----------------------------------------------------------
    def get_user(self, user_id: int) -> User: ...

    def get_job(self, job_id: int) -> Job: ...

    def get_application(self, application_id: int) -> Application: ...

    def get_candidate(self, candidate_id: int) -> Candidate: ...

    def get_stage(self, stage_id: int) -> Stage: ...

    def list_stages_for_job(self, job_id: int) -> CompleteList[Stage]: ...

    def list_posts_for_job(self, job_id: int) -> CompleteList[JobPost]: ...

    def get_post_for_job(self, job_id: int) -> JobPost | None: ...

    def list_openings_for_job(self, job_id: int) -> CompleteList[Opening]: ...

    def list_applications_for_job(
        self, job_id: int, *, cursor: str | None = None
    ) -> Iterator[Page[Application]]: ...

    def list_stage_history(self, application_id: int) -> tuple[StageEntry, ...]: ...

    def list_attachments(self, candidate_id: int) -> tuple[Attachment, ...]: ...

    def download_file(self, url: str, *, max_bytes: int) -> bytes:
        """The file of an attachment that was listed just now. Raises FileRefused."""

    # -- writing -------------------------------------------------------------------------
    def advance_application(
        self, application_id: int, *, seen: SeenStage, acting_user_id: int
    ) -> WriteResult: ...

    def move_application(
        self, application_id: int, *, seen: SeenStage, to_stage_id: int, acting_user_id: int
    ) -> WriteResult: ...

    def transfer_application(
        self,
        application_id: int,
        *,
        seen: SeenStage,
        to_job_id: int,
        to_stage_id: int | None = None,
        acting_user_id: int,
    ) -> WriteResult:
        """Only the result tells if the application was transferred but not into `to_stage_id`."""

    def reject_application(
        self,
        application_id: int,
        *,
        reason_id: int,
        notes: str | None = None,
        email: RejectionEmail | None = None,
        acting_user_id: int,
    ) -> WriteResult: ...

    def unreject_application(self, application_id: int, *, acting_user_id: int) -> WriteResult: ...

    def update_application(
        self, application_id: int, *, changes: ApplicationChanges, acting_user_id: int
    ) -> WriteResult: ...

    def add_note(
        self,
        application_id: int,
        *,
        candidate_id: int,
        body: str,
        visibility: NoteVisibility,
        acting_user_id: int,
    ) -> int | None:
        """The new note's ID; None if the ATS accepted it without naming one."""

    def list_notes(
        self, application_id: int, *, written_after: datetime
    ) -> tuple[Note, ...] | None:
        """Notes people wrote on an application; None if this version can't list notes."""
