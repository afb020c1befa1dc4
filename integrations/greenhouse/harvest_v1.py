"""Harvest v1: an API key, nested records, `On-Behalf-Of` on every write.

Source: Harvest v1 documentation. Its removal was announced for 2026-08-31; what it answers since is
not documented, so any 401, 403, 404 or 410 on a path without a record may mean just that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import msgspec

from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    BadCredential,
    Conflict,
    Evidence,
    MissingPermission,
    NotFound,
)
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
from integrations.ats.wiring import Wiring
from integrations.greenhouse import custom_fields, probes_v1
from integrations.greenhouse import payloads_v1 as payloads
from integrations.greenhouse.ask import Ask
from integrations.greenhouse.catalogue import label_of
from integrations.greenhouse.endpoint import basic
from integrations.greenhouse.harvest import PER_PAGE, Harvest, stamp
from integrations.greenhouse.reading import Reader, read_one
from integrations.greenhouse.refusals import Refusal, refused_by_a_page, refused_values
from integrations.http.client import Answer, Http

Record = TypeVar("Record")

_LACKS = "does not have permission for this endpoint"
_RETIRED = (
    "Greenhouse no longer answers Harvest v1 for this account (it was announced to end on "
    "31 August 2026). Create a Harvest v3 credential instead."
)
REMEMBERED = 10.0  # seconds that an answer speaks for the next ones
_LIST = {"per_page": PER_PAGE, "skip_count": "true"}


def _list(path: str, permission: str, **params: str) -> Ask:
    return Ask(path=path, template=path, permission=permission, params=_LIST | params)


def _after(name: str, moment: datetime | None) -> dict[str, str]:
    return {name: stamp(moment)} if moment else {}


class HarvestV1(Harvest):
    """`integrations.ats.port.Provider` on Harvest v1. `secrets`: `api_key`."""

    kind: str = "harvest_key"
    window: ClassVar[float] = 10.0  # documented
    pages_may_shift: bool = True  # pages are numbered (documented)

    def __init__(
        self, secrets: Mapping[str, str], wiring: Wiring, http: Http | None = None
    ) -> None:
        key = secrets["api_key"].strip()
        self._authorization = basic(key)
        self._served_at = float("-inf")  # when v1 last answered anything but a refusal
        super().__init__(wiring, http, (key, self._authorization))

    # -- who asks, and what a refusal means --------------------------------------------------
    def _headers(self, ask: Ask, until: float) -> Mapping[str, str]:
        acting = {} if ask.acting_user_id is None else {"On-Behalf-Of": str(ask.acting_user_id)}
        return {"Authorization": self._authorization} | acting

    def _renew(self, headers: Mapping[str, str], ask: Ask) -> bool:
        return False

    def _explain(self, ask: Ask, answer: Answer, refusal: Refusal, evidence: Evidence) -> AtsError:
        if answer.status == 401:
            return BadCredential(
                "Greenhouse does not accept this API key: it is mistyped or revoked, or Harvest "
                "v1 has ended for this account.",
                evidence=evidence,
            )
        if answer.status == 410:
            return BadCredential(_RETIRED, evidence=evidence)
        if answer.status == 403:
            return self._forbidden(ask, refusal, evidence)
        if answer.status == 404:
            return self._not_found(ask, refusal, evidence)
        return refused_values(refusal, evidence)

    def _forbidden(self, ask: Ask, refusal: Refusal, evidence: Evidence) -> AtsError:
        if not refusal.is_json:
            return refused_by_a_page(evidence)
        if ask.acting_user_id is not None and _LACKS not in refusal.message:
            words = f" It says: {refusal.message}" if refusal.message else ""
            return ActingUserRefused(
                f"Greenhouse does not let you do this. Your rights there decide.{words}",
                evidence=evidence,
            )
        label = label_of(ask.permission)
        sentence = f"The Greenhouse API key lacks the permission “{label}”."
        if _LACKS not in refusal.message:
            sentence = (
                f"Greenhouse refuses this without saying why: the API key may lack the permission "
                f"“{label}”, or Harvest v1 has ended for this account."
            )
        return MissingPermission(ask.permission, sentence, evidence=evidence)

    def _not_found(self, ask: Ask, refusal: Refusal, evidence: Evidence) -> AtsError:
        if not ask.names_a_record:
            return BadCredential(_RETIRED, evidence=evidence)
        if ask.writes and refusal.message.lower().startswith(("not found", "access denied")):
            return ActingUserRefused(
                "Greenhouse does not show this application to you, so it does not let you do this.",
                evidence=evidence,
            )
        if ask.path != ask.template.format(id=0):  # a probe's: no record has it
            try:
                self._must_be_served()
            except AtsError as error:  # then this 404 says nothing of the record
                return error
        return NotFound(evidence=evidence)

    def _must_be_served(self) -> None:
        """Since its end v1 may answer 404 on every path. Raises unless a list is answered."""
        if self._served_at <= self._wiring.now() - REMEMBERED:
            self.try_credential()
            self._served_at = self._wiring.now()

    def _ask(self, ask: Ask, *, target: str | None = None, until: float | None = None) -> Answer:
        answer = super()._ask(ask, target=target, until=until)
        self._served_at = self._wiring.now()
        return answer

    def _nothing_shown(self, ask: Ask) -> None:
        """A key sees all or nothing of an endpoint (documented): it is empty."""

    # -- the credential ----------------------------------------------------------------------
    def try_credential(self) -> None:
        """See the port. One `GET /v1/jobs` of one record; a missing permission is fine here."""
        ask = Ask(
            path="/v1/jobs",
            template="/v1/jobs",
            permission="jobs.list",
            params={"per_page": "1", "skip_count": "true"},
        )
        try:
            self._ask(ask)
        except MissingPermission as error:
            if error.evidence is None or _LACKS not in error.evidence.message:
                raise BadCredential(error.sentence, evidence=error.evidence) from error

    def probe(self, permission: str) -> Probe:
        """See the port."""
        return next(self.probe_all([permission]))

    def probe_all(self, permissions: Iterable[str]) -> Iterator[Probe]:
        """See the port. One request per permission."""
        return probes_v1.probe_all(self._ask, permissions, now=self._wiring.now)

    def granted_scopes(self) -> None:
        """An API key does not tell what is ticked for it."""

    # -- lists -------------------------------------------------------------------------------
    def list_users(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[User]]:
        """See the port."""
        ask = _list("/v1/users", "users.list", **_after("updated_after", updated_after))
        return self._pages(ask, payloads.read_user, cursor=cursor)

    def list_user_emails(self, *, cursor: str | None = None) -> Iterator[Page[UserEmail]]:
        """One empty page: v1 users carry their addresses."""
        yield Page(records=())

    def list_user_roles(self, *, cursor: str | None = None) -> Iterator[Page[UserRole]]:
        """See the port."""
        ask = _list("/v1/user_roles", "user_roles.list")
        return self._pages(ask, payloads.read_user_role, cursor=cursor)

    def job_permissions(
        self, *, user_ids: Iterable[int], cursor: str | None = None
    ) -> Iterator[Page[JobGrant]]:
        """See the port. One request per user: hand in only those who can have grants."""
        return self._per_user(
            user_ids,
            "permissions/jobs",
            "user_permissions.list_job_permissions",
            payloads.grant_of,
            cursor,
        )

    def future_job_permissions(
        self, *, user_ids: Iterable[int], cursor: str | None = None
    ) -> Iterator[Page[FutureJobGrant]]:
        """See the port. One request per user."""
        return self._per_user(
            user_ids,
            "permissions/future_jobs",
            "user_permissions.list_future_job_permissions",
            payloads.future_grant_of,
            cursor,
        )

    def _per_user(
        self,
        user_ids: Iterable[int],
        under: str,
        permission: str,
        reader_for: Callable[[int], Reader[Record]],
        cursor: str | None,
    ) -> Iterator[Page[Record]]:
        """A list per user, in order of their ids; the cursor's path names the user."""
        at = int(urlsplit(cursor).path.split("/")[3]) if cursor else 0
        users = [user for user in sorted(set(user_ids)) if user >= at]
        parts = [
            (
                Ask(
                    path=f"/v1/users/{user}/{under}",
                    template=f"/v1/users/{{id}}/{under}",
                    permission=permission,
                    params=_LIST,
                ),
                reader_for(user),
            )
            for user in users
        ]
        if not parts:
            yield Page(records=())
        for place, (ask, read) in enumerate(parts):
            after = parts[place + 1][0].target if place + 1 < len(parts) else None
            resume = cursor if cursor and urlsplit(cursor).path == ask.path else None
            try:
                for page in self._pages(ask, read, cursor=resume):
                    yield msgspec.structs.replace(page, cursor=page.cursor or after)
            except NotFound:  # deleted since the users were listed
                yield Page(records=(), cursor=after)

    def list_jobs(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Job]]:
        """See the port. Jobs carry their hiring team and openings."""
        ask = _list("/v1/jobs", "jobs.list", **_after("updated_after", updated_after))
        return self._pages(ask, payloads.read_job, cursor=cursor)

    def list_hiring_team(self, *, cursor: str | None = None) -> Iterator[Page[TeamMember]]:
        """One empty page: v1 jobs carry their team."""
        yield Page(records=())

    def list_departments(self, *, cursor: str | None = None) -> Iterator[Page[Department]]:
        """See the port."""
        ask = _list("/v1/departments", "departments.list")
        return self._pages(ask, payloads.read_department, cursor=cursor)

    def list_offices(self, *, cursor: str | None = None) -> Iterator[Page[Office]]:
        """See the port."""
        ask = _list("/v1/offices", "offices.list")
        return self._pages(ask, payloads.read_office, cursor=cursor)

    def list_stages(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Stage]]:
        """See the port."""
        ask = _list("/v1/job_stages", "job_stages.list", **_after("updated_after", updated_after))
        return self._pages(ask, payloads.read_stage, cursor=cursor)

    def list_job_posts(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[JobPost]]:
        """See the port."""
        ask = _list("/v1/job_posts", "job_posts.list", **_after("updated_after", updated_after))
        return self._pages(ask, payloads.read_job_post, cursor=cursor)

    def list_openings(self, *, cursor: str | None = None) -> Iterator[Page[Opening]]:
        """One empty page: v1 jobs carry their openings."""
        yield Page(records=())

    def list_close_reasons(self, *, cursor: str | None = None) -> Iterator[Page[CloseReason]]:
        """See the port."""
        ask = _list("/v1/close_reasons", "close_reasons.list")
        return self._pages(ask, payloads.read_close_reason, cursor=cursor)

    def list_rejection_reasons(
        self, *, cursor: str | None = None
    ) -> Iterator[Page[RejectionReason]]:
        """See the port. Greenhouse's own default reasons included (documented switch)."""
        ask = _list("/v1/rejection_reasons", "rejection_reasons.list", include_defaults="true")
        return self._pages(ask, payloads.read_rejection_reason, cursor=cursor)

    def list_email_templates(self, *, cursor: str | None = None) -> Iterator[Page[EmailTemplate]]:
        """See the port."""
        ask = _list("/v1/email_templates", "email_templates.list")
        return self._pages(ask, payloads.read_email_template, cursor=cursor)

    def list_custom_fields(self, *, cursor: str | None = None) -> Iterator[Page[CustomField]]:
        """See the port. Fields carry their options; deleted ones are not in the list."""
        ask = _list("/v1/custom_fields/application", "custom_fields.list")
        return self._pages(
            ask, custom_fields.read_field, cursor=cursor, keep=custom_fields.of_application
        )

    def list_sources(self, *, cursor: str | None = None) -> Iterator[Page[Source]]:
        """See the port."""
        ask = _list("/v1/sources", "sources.list")
        return self._pages(ask, payloads.read_source, cursor=cursor)

    def list_applications(
        self, *, changed_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Application]]:
        """See the port. v1 applications know no `updated_after`, only `last_activity_after`."""
        since = _after("last_activity_after", changed_after)
        ask = _list("/v1/applications", "applications.list", **since)
        return self._pages(ask, payloads.read_application, cursor=cursor)

    def list_current_stays(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[StageEntry]]:
        """One empty page: v1 keeps no stage history that a key may read."""
        yield Page(records=())

    def list_candidates(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Candidate]]:
        """See the port."""
        since = _after("updated_after", updated_after)
        ask = _list("/v1/candidates", "candidates.list", **since)
        return self._pages(ask, payloads.read_candidate, cursor=cursor)

    # -- single records ----------------------------------------------------------------------
    def _get(self, path: str, record_id: int, permission: str, read: Reader[Record]) -> Record:
        ask = Ask(
            path=path.format(id=int(record_id)),
            template=path,
            permission=permission,
        )
        return self._one(ask, read)

    def get_user(self, user_id: int) -> User:
        """See the port. Raises NotFound."""
        return self._get("/v1/users/{id}", user_id, "users.retrieve", payloads.read_user)

    def get_job(self, job_id: int) -> Job:
        """See the port. Raises NotFound."""
        return self._get("/v1/jobs/{id}", job_id, "jobs.retrieve", payloads.read_job)

    def get_application(self, application_id: int) -> Application:
        """See the port. Raises NotFound."""
        return self._get(
            "/v1/applications/{id}",
            application_id,
            "applications.retrieve",
            payloads.read_application,
        )

    def get_candidate(self, candidate_id: int) -> Candidate:
        """See the port. Raises NotFound."""
        return self._get(
            "/v1/candidates/{id}", candidate_id, "candidates.retrieve", payloads.read_candidate
        )

    def get_stage(self, stage_id: int) -> Stage:
        """See the port. Raises NotFound."""
        return self._get(
            "/v1/job_stages/{id}", stage_id, "job_stages.retrieve", payloads.read_stage
        )

    def _of_job(self, job_id: int, under: str, permission: str, read: Reader[Record]) -> Any:
        ask = Ask(
            path=f"/v1/jobs/{int(job_id)}/{under}",
            template=f"/v1/jobs/{{id}}/{under}",
            permission=permission,
            params=_LIST,
        )
        return self._every(ask, read)

    def stages_of_job(self, job_id: int) -> Listed[Stage]:
        """See the port. In their order."""
        stages: Listed[Stage] = self._of_job(
            job_id, "stages", "job_stages.list_for_job", payloads.read_stage
        )
        return Listed(sorted(stages, key=lambda stage: stage.order), stages.set_aside)

    def posts_of_job(self, job_id: int) -> Listed[JobPost]:
        """See the port."""
        posts: Listed[JobPost] = self._of_job(
            job_id, "job_posts", "job_posts.list_for_job", payloads.read_job_post
        )
        return posts

    def post_of_job(self, job_id: int) -> JobPost | None:
        """See the port. A job without a post answers 404 (inferred)."""
        try:
            return self._get(
                "/v1/jobs/{id}/job_post",
                job_id,
                "job_posts.retrieve_for_job",
                payloads.read_job_post,
            )
        except NotFound:
            return None

    def openings_of_job(self, job_id: int) -> Listed[Opening]:
        """See the port."""
        openings: Listed[Opening] = self._of_job(
            job_id, "openings", "openings.list_for_job", payloads.opening_of(job_id)
        )
        return openings

    def applications_of_job(
        self, job_id: int, *, cursor: str | None = None
    ) -> Iterator[Page[Application]]:
        """See the port. Checked here too: v1 ignores parameters it does not know."""
        ask = _list("/v1/applications", "applications.list", job_id=str(int(job_id)))
        return self._pages(
            ask,
            payloads.read_application,
            cursor=cursor,
            keep=lambda one: one.job_id == job_id or job_id in one.prospective_job_ids,
        )

    def stage_history(self, application_id: int) -> tuple[StageEntry, ...]:
        """Empty: v1 keeps none that a key may read."""
        return ()

    def attachments(self, candidate_id: int) -> tuple[Attachment, ...]:
        """See the port. They stand inside the candidate."""
        return self._get(
            "/v1/candidates/{id}", candidate_id, "candidates.retrieve", payloads.read_attachments
        )

    # -- writes ------------------------------------------------------------------------------
    def advance(self, application_id: int, *, seen: SeenStage, acting_user_id: int) -> Receipt:
        """See the port."""
        return self._act(application_id, "advance", {"from_stage_id": _from(seen)}, acting_user_id)

    def move(
        self, application_id: int, *, seen: SeenStage, to_stage_id: int, acting_user_id: int
    ) -> Receipt:
        """See the port. Within the job."""
        body = {"from_stage_id": _from(seen), "to_stage_id": to_stage_id}
        return self._act(application_id, "move", body, acting_user_id)

    def transfer(
        self,
        application_id: int,
        *,
        seen: SeenStage,
        to_job_id: int,
        to_stage_id: int | None = None,
        acting_user_id: int,
    ) -> Receipt:
        """See the port. v1 takes no `from_stage_id` here, so `seen` guards nothing."""
        body: dict[str, Any] = {"new_job_id": to_job_id}
        if to_stage_id is not None:
            body["new_stage_id"] = to_stage_id
        return self._act(application_id, "transfer", body, acting_user_id)

    def reject(
        self,
        application_id: int,
        *,
        reason_id: int,
        notes: str | None = None,
        email: RejectionEmail | None = None,
        acting_user_id: int,
    ) -> Receipt:
        """See the port. v1 sends the mail in the acting user's name: `from_user_id` is not sent."""
        body: dict[str, Any] = {"rejection_reason_id": reason_id}
        if notes:
            body["notes"] = notes
        if email is not None:
            body["rejection_email"] = {"email_template_id": email.template_id} | (
                {"send_email_at": stamp(email.send_at)} if email.send_at else {}
            )
        return self._act(application_id, "reject", body, acting_user_id)

    def unreject(self, application_id: int, *, acting_user_id: int) -> Receipt:
        """See the port."""
        return self._act(application_id, "unreject", {}, acting_user_id)

    def update(
        self, application_id: int, *, changes: ApplicationChanges, acting_user_id: int
    ) -> Receipt:
        """See the port."""
        return self._act(application_id, "update", custom_fields.changed(changes), acting_user_id)

    def _act(
        self, application_id: int, deed: str, body: dict[str, Any], acting_user_id: int
    ) -> Receipt:
        until = self._until()
        ask = probes_v1.write(deed, application_id, body, acting_user_id)
        needs = {"update": "", "unreject": "rejected"}.get(deed, "active")
        answer = self._write(ask, application_id=application_id, needs=needs, until=until)
        try:
            return Receipt(application=read_one(answer.body, payloads.read_application))
        except AtsError:  # accepted, but not answered as documented: look ourselves
            return Receipt(application=self._look(application_id))


def _from(seen: SeenStage) -> int:
    if seen.stage_id is None:
        raise Conflict("This application is in no stage, so it cannot be moved on.")
    return seen.stage_id
