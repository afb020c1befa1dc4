"""The seam between the portal and any applicant tracking system.

The portal holds a `Provider` and never learns which vendor or API generation answers. List calls
stream page by page; `cursor` (from `Page.cursor`) takes a list up where it was left. Everything
may raise the errors of `integrations.ats.errors`; writes are sent in the name of `acting_user_id`
(the ATS's user id) and are never repeated by the provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from integrations.ats.permissions import Probe
from integrations.ats.types import (
    Application,
    ApplicationChanges,
    Attachment,
    Candidate,
    CloseReason,
    CustomField,
    Department,
    EmailTemplate,
    FutureJobGrant,
    Job,
    JobGrant,
    JobPost,
    Listed,
    Office,
    Opening,
    Page,
    Receipt,
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
)


class AccountSample(msgspec.Struct, frozen=True, kw_only=True):
    """Ids by which an ATS account is recognised. Empty where they may not be read."""

    user_ids: frozenset[int] = frozenset()
    job_ids: frozenset[int] = frozenset()


class Provider(Protocol):
    """One credential's view of an ATS account. Close it (or use `with`) when done."""

    kind: str
    # Whether a record that is deleted while a list is read may hide another one from it.
    pages_may_shift: bool

    # -- the credential ------------------------------------------------------------------
    def try_credential(self) -> None:
        """Prove that the ATS accepts the credential at all, by one harmless call.

        Returns for a credential that works, whatever permissions it lacks. Raises BadCredential,
        AtsDown, RateLimited or UnreadableAnswer.
        """

    def account_sample(self) -> AccountSample:
        """Ids of some users and jobs, to tell one account from another."""

    def probe(self, permission: str) -> Probe:
        """Find out whether one permission is granted, without changing anything.

        Never raises AtsError: what could not be told is `unclear`, with its evidence.
        """

    def probe_all(self, permissions: Sequence[str]) -> Iterator[Probe]:
        """Probe several with as few requests as possible; yields each as soon as it is known."""

    def granted_scopes(self) -> frozenset[str] | None:
        """Every scope that the credential carries, asked for or not; None where nothing tells."""

    # -- reading lists -------------------------------------------------------------------
    def list_users(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[User]]: ...

    def list_user_emails(self, *, cursor: str | None = None) -> Iterator[Page[UserEmail]]:
        """Addresses with their verification. One empty page where users carry their addresses."""

    def list_user_roles(self, *, cursor: str | None = None) -> Iterator[Page[UserRole]]: ...

    def job_permissions(
        self, *, user_ids: Iterable[int], cursor: str | None = None
    ) -> Iterator[Page[JobGrant]]:
        """The explicit job grants of these users (Job Admins; Site Admins have none)."""

    def future_job_permissions(
        self, *, user_ids: Iterable[int], cursor: str | None = None
    ) -> Iterator[Page[FutureJobGrant]]: ...

    def list_jobs(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Job]]:
        """All jobs in every state, templates included (`Job.is_template`)."""

    def list_hiring_team(self, *, cursor: str | None = None) -> Iterator[Page[TeamMember]]:
        """Hiring teams. One empty page where jobs carry theirs."""

    def list_departments(self, *, cursor: str | None = None) -> Iterator[Page[Department]]: ...

    def list_offices(self, *, cursor: str | None = None) -> Iterator[Page[Office]]: ...

    def list_stages(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Stage]]: ...

    def list_job_posts(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[JobPost]]: ...

    def list_openings(self, *, cursor: str | None = None) -> Iterator[Page[Opening]]:
        """Openings. One empty page where jobs carry theirs."""

    def list_close_reasons(self, *, cursor: str | None = None) -> Iterator[Page[CloseReason]]: ...

    def list_rejection_reasons(
        self, *, cursor: str | None = None
    ) -> Iterator[Page[RejectionReason]]: ...

    def list_email_templates(
        self, *, cursor: str | None = None
    ) -> Iterator[Page[EmailTemplate]]: ...

    def list_custom_fields(self, *, cursor: str | None = None) -> Iterator[Page[CustomField]]:
        """The custom fields of applications, with their options."""

    def list_sources(self, *, cursor: str | None = None) -> Iterator[Page[Source]]: ...

    def list_applications(
        self, *, changed_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Application]]:
        """All applications, or those with activity after a moment (v1 knows no `updated_after`)."""

    def list_current_stays(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[StageEntry]]:
        """Since when applications are in their present stage. One empty page where the ATS does
        not tell.
        """

    def list_candidates(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Candidate]]: ...

    # -- reading single records ----------------------------------------------------------
    def get_user(self, user_id: int) -> User: ...

    def get_job(self, job_id: int) -> Job: ...

    def get_application(self, application_id: int) -> Application: ...

    def get_candidate(self, candidate_id: int) -> Candidate: ...

    def get_stage(self, stage_id: int) -> Stage: ...

    def stages_of_job(self, job_id: int) -> Listed[Stage]: ...

    def posts_of_job(self, job_id: int) -> Listed[JobPost]: ...

    def post_of_job(self, job_id: int) -> JobPost | None:
        """The job's one (first) post, None where it has none."""

    def openings_of_job(self, job_id: int) -> Listed[Opening]: ...

    def applications_of_job(
        self, job_id: int, *, cursor: str | None = None
    ) -> Iterator[Page[Application]]: ...

    def stage_history(self, application_id: int) -> tuple[StageEntry, ...]:
        """The application's stays in stages, oldest first; empty where the ATS keeps none."""

    def attachments(self, candidate_id: int) -> tuple[Attachment, ...]:
        """The candidate's files, with fresh links that expire."""

    # -- writing -------------------------------------------------------------------------
    def advance(self, application_id: int, *, seen: SeenStage, acting_user_id: int) -> Receipt: ...

    def move(
        self, application_id: int, *, seen: SeenStage, to_stage_id: int, acting_user_id: int
    ) -> Receipt: ...

    def transfer(
        self,
        application_id: int,
        *,
        seen: SeenStage,
        to_job_id: int,
        to_stage_id: int | None = None,
        acting_user_id: int,
    ) -> Receipt:
        """To another job, into its first stage or `to_stage_id`.

        That it could not be put into the stage, though into the job, is told by the receipt alone.
        """

    def reject(
        self,
        application_id: int,
        *,
        reason_id: int,
        notes: str | None = None,
        email: RejectionEmail | None = None,
        acting_user_id: int,
    ) -> Receipt: ...

    def unreject(self, application_id: int, *, acting_user_id: int) -> Receipt: ...

    def update(
        self, application_id: int, *, changes: ApplicationChanges, acting_user_id: int
    ) -> Receipt: ...
