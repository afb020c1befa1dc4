"""Harvest v3: tokens per user, flat rows of ids, lists filtered instead of single records.

Source: Greenhouse's v3 documentation and OpenAPI document. Never seen in public, so not leaned on:
the bodies of 403 and of most 422 answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol, TypeVar

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
    SetAside,
    Source,
    Stage,
    StageEntry,
    TeamMember,
    User,
    UserEmail,
    UserRole,
)
from integrations.ats.wiring import Wiring
from integrations.greenhouse import custom_fields, probes_v3
from integrations.greenhouse import payloads_v3 as payloads
from integrations.greenhouse.ask import Ask
from integrations.greenhouse.auth import NoScopes, Tokens
from integrations.greenhouse.endpoint import Claims
from integrations.greenhouse.from_stage import FromStage
from integrations.greenhouse.harvest import PER_PAGE, Harvest, stamp
from integrations.greenhouse.reading import Reader
from integrations.greenhouse.refusals import Refusal, refused_values, speaks_of_from_stage
from integrations.greenhouse.scopes import Knowledge, scope_of
from integrations.greenhouse.sight import Sight, shows_something
from integrations.greenhouse.stages import CurrentStages
from integrations.http.client import Answer, Http

Record = TypeVar("Record")

MOST_IDS = 50  # documented maximum of every id filter


class TokenSource(Protocol):
    """Where access tokens come from, by the Greenhouse user who is to act (None: who reads)."""

    def token(self, sub: str | None, *, until: float) -> str: ...

    def forget(self, sub: str | None, token: str) -> None: ...

    def claims(self, token: str, *, until: float) -> Claims: ...


class _Identified(Protocol):
    @property
    def id(self) -> int: ...


Named = TypeVar("Named", bound=_Identified)


def _list(resource: str, permission: str, **params: str) -> Ask:
    path = f"/v3/{resource}"
    return Ask(
        path=path, template=path, permission=permission, params={"per_page": PER_PAGE} | params
    )


def _since(moment: datetime | None) -> dict[str, str]:
    return {"updated_at": f"gte|{stamp(moment)}"} if moment else {}


def _joined(ids: Iterable[int]) -> str:
    return ",".join(str(int(one)) for one in ids)


class HarvestV3(Harvest):
    """`integrations.ats.port.Provider` on Harvest v3.

    `secrets`: `client_id`, `client_secret`, and optionally `reader_id`, the Greenhouse user id of
    a Site Admin in whose name lists are read (else the credential's own service user reads).
    """

    kind: str = "harvest_oauth"
    window: ClassVar[float] = 30.0  # documented, fixed
    pages_may_shift: bool = False  # a cursor names a record, not a number (documented order)

    def __init__(
        self, secrets: Mapping[str, str], wiring: Wiring, http: Http | None = None
    ) -> None:
        client_id, client_secret = secrets["client_id"].strip(), secrets["client_secret"].strip()
        super().__init__(wiring, http, (client_id, client_secret))
        self._reader = secrets.get("reader_id", "").strip() or None
        self._tokens = self._source(client_id, client_secret)
        self._knowledge = Knowledge()
        self._sight = Sight(self._ask, wiring.now)
        self._from_stage = FromStage(wiring)
        self._stages = CurrentStages(self._entries)

    def _source(self, client_id: str, client_secret: str) -> TokenSource:
        return Tokens(self._wiring, self._http, client_id, client_secret)

    # -- who asks, and what a refusal means --------------------------------------------------
    def _headers(self, ask: Ask, until: float) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token(ask, until)}"}

    def _token(self, ask: Ask, until: float) -> str:
        try:
            return self._tokens.token(self._sub(ask), until=until)
        except NoScopes as error:
            raise MissingPermission(
                ask.permission, error.sentence, evidence=error.evidence
            ) from error
        except ActingUserRefused as error:
            if ask.acting_user_id is not None:
                raise
            raise BadCredential(
                "Greenhouse gives no access in the name of the Site Admin whose user ID is "
                "entered here. Please check that ID.",
                evidence=error.evidence,
            ) from error

    def _sub(self, ask: Ask) -> str | None:
        return self._reader if ask.acting_user_id is None else str(ask.acting_user_id)

    def _renew(self, headers: Mapping[str, str], ask: Ask) -> bool:
        self._tokens.forget(self._sub(ask), headers["Authorization"].removeprefix("Bearer "))
        return True

    def _ask(self, ask: Ask, *, target: str | None = None, until: float | None = None) -> Answer:
        answer = super()._ask(ask, target=target, until=until)
        if not ask.writes:
            shown = shows_something(answer)
            self._knowledge.read(scope_of(ask), shown=shown)
            if shown:
                self._sight.shown()
        return answer

    def _ask_and_see(self, ask: Ask) -> Answer:
        answer = self._ask(ask)
        if not ask.writes and not shows_something(answer):
            self._sight.confirm(ask)
        return answer

    def _nothing_shown(self, ask: Ask) -> None:
        self._sight.confirm(ask)

    def _explain(self, ask: Ask, answer: Answer, refusal: Refusal, evidence: Evidence) -> AtsError:
        if answer.status == 401:
            return BadCredential(
                "Greenhouse does not accept its own access token. The credential may have been "
                "revoked or changed.",
                evidence=evidence,
            )
        if answer.status == 403:
            return self._forbidden(ask, refusal, evidence)
        if answer.status == 404 and not ask.names_a_record:
            return UnreadableAnswer(
                "Greenhouse does not know this address of its interface.", evidence=evidence
            )
        if answer.status in (404, 410):
            return NotFound(evidence=evidence)
        return refused_values(refusal, evidence)

    def _forbidden(self, ask: Ask, refusal: Refusal, evidence: Evidence) -> AtsError:
        until = self._until()
        try:
            claims = self._tokens.claims(self._token(ask, until), until=until)
        except AtsError:
            claims = None
        return self._knowledge.explain(ask, claims, refusal, evidence)

    # -- the credential ----------------------------------------------------------------------
    def try_credential(self) -> None:
        """See the port. Fetches a token and reads one job with it; a refusal there is fine."""
        ask = _list("jobs", "jobs.list", per_page="1")
        try:
            self._ask(ask)
        except (MissingPermission, NotSiteAdmin):
            return

    def probe(self, permission: str) -> Probe:
        """See the port."""
        return next(self.probe_all([permission]))

    def probe_all(self, permissions: Iterable[str]) -> Iterator[Probe]:
        """See the port. One request per scope at most."""
        return probes_v3.probe_all(
            self._ask_and_see, self._scopes, permissions, now=self._wiring.now
        )

    def granted_scopes(self) -> frozenset[str] | None:
        """See the port. Told by the token or by introspection; what fails there tells nothing."""
        try:
            return self._scopes()
        except AtsError:
            return None

    def _scopes(self) -> frozenset[str] | None:
        """The scopes of the reading token; None where they cannot be learnt. May raise."""
        until = self._until()
        token = self._token(_list("jobs", "jobs.list"), until)
        return self._tokens.claims(token, until=until).scopes

    # -- lists -------------------------------------------------------------------------------
    def list_users(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[User]]:
        """See the port. Service accounts are not in it."""
        ask = _list("users", "users.list", **_since(updated_after))
        return self._pages(ask, payloads.read_user, cursor=cursor)

    def list_user_emails(self, *, cursor: str | None = None) -> Iterator[Page[UserEmail]]:
        """See the port."""
        ask = _list("user_emails", "user_emails.list")
        return self._pages(ask, payloads.read_user_email, cursor=cursor)

    def list_user_roles(self, *, cursor: str | None = None) -> Iterator[Page[UserRole]]:
        """See the port."""
        ask = _list("user_roles", "user_roles.list")
        return self._pages(ask, payloads.read_user_role, cursor=cursor)

    def job_permissions(
        self, *, user_ids: Iterable[int], cursor: str | None = None
    ) -> Iterator[Page[JobGrant]]:
        """See the port. Up to 50 users are asked for by id, more by reading the whole list.

        Either way each row's user is checked: a wrong parameter would answer everything.
        """
        return self._of_users(
            user_ids,
            "user_job_permissions",
            "user_permissions.list_job_permissions",
            payloads.read_grant,
            cursor,
        )

    def future_job_permissions(
        self, *, user_ids: Iterable[int], cursor: str | None = None
    ) -> Iterator[Page[FutureJobGrant]]:
        """See the port, and `job_permissions`."""
        return self._of_users(
            user_ids,
            "future_job_permissions",
            "user_permissions.list_future_job_permissions",
            payloads.read_future_grant,
            cursor,
        )

    def _of_users(
        self,
        user_ids: Iterable[int],
        resource: str,
        permission: str,
        read: Reader[Any],
        cursor: str | None,
    ) -> Iterator[Page[Any]]:
        users = frozenset(user_ids)
        if not users:
            return iter((Page(records=()),))
        by_id = {"user_ids": _joined(sorted(users))} if len(users) <= MOST_IDS else {}
        ask = _list(resource, permission, **by_id)
        return self._pages(ask, read, cursor=cursor, keep=lambda row: row.user_id in users)

    def list_jobs(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Job]]:
        """See the port. Openings and hiring teams are lists of their own."""
        ask = _list("jobs", "jobs.list", **_since(updated_after))
        return self._pages(ask, payloads.read_job, cursor=cursor)

    def list_hiring_team(self, *, cursor: str | None = None) -> Iterator[Page[TeamMember]]:
        """See the port. Owners (recruiters, coordinators, sourcers), then hiring managers."""
        parts = (
            (_list("job_owners", "hiring_team.owners"), payloads.read_owner),
            (_list("job_hiring_managers", "hiring_team.managers"), payloads.read_hiring_manager),
        )
        return self._chain(parts, cursor=cursor)

    def list_departments(self, *, cursor: str | None = None) -> Iterator[Page[Department]]:
        """See the port."""
        ask = _list("departments", "departments.list")
        return self._pages(ask, payloads.read_department, cursor=cursor)

    def list_offices(self, *, cursor: str | None = None) -> Iterator[Page[Office]]:
        """See the port."""
        return self._pages(_list("offices", "offices.list"), payloads.read_office, cursor=cursor)

    def list_stages(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Stage]]:
        """See the port."""
        ask = _list("job_interview_stages", "job_stages.list", **_since(updated_after))
        return self._pages(ask, payloads.read_stage, cursor=cursor)

    def list_job_posts(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[JobPost]]:
        """See the port."""
        ask = _list("job_posts", "job_posts.list", **_since(updated_after))
        return self._pages(ask, payloads.read_job_post, cursor=cursor)

    def list_openings(self, *, cursor: str | None = None) -> Iterator[Page[Opening]]:
        """See the port."""
        ask = _list("openings", "openings.list_for_job")
        return self._pages(ask, payloads.read_opening, cursor=cursor)

    def list_close_reasons(self, *, cursor: str | None = None) -> Iterator[Page[CloseReason]]:
        """See the port."""
        ask = _list("close_reasons", "close_reasons.list")
        return self._pages(ask, payloads.read_close_reason, cursor=cursor)

    def list_rejection_reasons(
        self, *, cursor: str | None = None
    ) -> Iterator[Page[RejectionReason]]:
        """See the port. Greenhouse's own default reasons included (documented switch)."""
        ask = _list("rejection_reasons", "rejection_reasons.list", include_defaults="true")
        return self._pages(ask, payloads.read_rejection_reason, cursor=cursor)

    def list_email_templates(self, *, cursor: str | None = None) -> Iterator[Page[EmailTemplate]]:
        """See the port."""
        ask = _list("email_templates", "email_templates.list")
        return self._pages(ask, payloads.read_email_template, cursor=cursor)

    def list_custom_fields(self, *, cursor: str | None = None) -> Iterator[Page[CustomField]]:
        """See the port. Options are a list of their own, asked for as many fields as a page has."""
        ask = _list("custom_fields", "custom_fields.list", field_type="application")
        for page in self._pages(
            ask, custom_fields.read_field, cursor=cursor, keep=custom_fields.of_application
        ):
            fields = custom_fields.with_options(page.records, self._options)
            yield msgspec.structs.replace(page, records=fields)

    def _options(self, fields: Sequence[int]) -> Iterator[custom_fields.Option]:
        for start in range(0, len(fields), MOST_IDS):
            wanted = _joined(fields[start : start + MOST_IDS])
            ask = _list(
                "custom_field_options", "custom_field_options.list", custom_field_ids=wanted
            )
            for page in self._pages(ask, custom_fields.read_option):
                yield from page.records

    def list_sources(self, *, cursor: str | None = None) -> Iterator[Page[Source]]:
        """See the port."""
        return self._pages(_list("sources", "sources.list"), payloads.read_source, cursor=cursor)

    def list_applications(
        self, *, changed_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Application]]:
        """See the port. Where rows lack the job's stage it is looked up (`CurrentStages`)."""
        ask = _list("applications", "applications.list", **_since(changed_after))
        return self._staged(self._pages(ask, payloads.read_application, cursor=cursor))

    def list_current_stays(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[StageEntry]]:
        """See the port. `/v3/application_stages`, the `current` ones (documented filter)."""
        ask = _list(
            "application_stages",
            "application_stages.list",
            current="true",
            **_since(updated_after),
        )
        return self._pages(ask, payloads.read_stage_entry, cursor=cursor)

    def list_candidates(
        self, *, updated_after: datetime | None = None, cursor: str | None = None
    ) -> Iterator[Page[Candidate]]:
        """See the port."""
        ask = _list("candidates", "candidates.list", **_since(updated_after))
        return self._pages(ask, payloads.read_candidate, cursor=cursor)

    # -- single records ----------------------------------------------------------------------
    def _get(self, resource: str, record_id: int, permission: str, read: Reader[Named]) -> Named:
        """v3 has no single records: a list of one, and what it answers is checked. None is only
        believed of a reader who is shown others.
        """
        ask = Ask(
            path=f"/v3/{resource}",
            template=f"/v3/{resource}",
            permission=permission,
            params={"ids": str(int(record_id))},
        )
        aside: list[SetAside] = []
        for page in self._pages(ask, read):
            for record in page.records:
                if record.id == record_id:
                    return record
            aside += page.set_aside
            if not page.records:
                break
        if aside:
            raise UnreadableAnswer(f"Greenhouse's record could not be read: {aside[0].reason}")
        evidence = Evidence(
            method="GET",
            path=ask.template,
            status=200,
            message="an empty list",
            at=datetime.fromtimestamp(self._wiring.now(), UTC),
        )
        raise NotFound(evidence=evidence)

    def get_user(self, user_id: int) -> User:
        """See the port. Raises NotFound."""
        return self._get("users", user_id, "users.retrieve", payloads.read_user)

    def get_job(self, job_id: int) -> Job:
        """See the port. Raises NotFound."""
        return self._get("jobs", job_id, "jobs.retrieve", payloads.read_job)

    def get_application(self, application_id: int) -> Application:
        """See the port. Raises NotFound."""
        read = payloads.read_application
        found = self._get("applications", application_id, "applications.retrieve", read)
        return self._stages.fill((found,))[0]

    def get_candidate(self, candidate_id: int) -> Candidate:
        """See the port. Raises NotFound."""
        return self._get("candidates", candidate_id, "candidates.retrieve", payloads.read_candidate)

    def get_stage(self, stage_id: int) -> Stage:
        """See the port. Raises NotFound."""
        return self._get(
            "job_interview_stages", stage_id, "job_stages.retrieve", payloads.read_stage
        )

    def stages_of_job(self, job_id: int) -> Listed[Stage]:
        """See the port. In their order."""
        ask = _list("job_interview_stages", "job_stages.list_for_job", job_ids=str(int(job_id)))
        stages = self._every(ask, payloads.read_stage, lambda one: one.job_id == job_id)
        return Listed(sorted(stages, key=lambda stage: stage.order), stages.set_aside)

    def posts_of_job(self, job_id: int) -> Listed[JobPost]:
        """See the port."""
        ask = _list("job_posts", "job_posts.list_for_job", job_ids=str(int(job_id)))
        return self._every(ask, payloads.read_job_post, lambda one: one.job_id == job_id)

    def post_of_job(self, job_id: int) -> JobPost | None:
        """See the port. v3 has no "the" post: the oldest that is not deleted."""
        posts = [post for post in self.posts_of_job(job_id) if post.active]
        return min(posts, key=lambda post: post.id, default=None)

    def openings_of_job(self, job_id: int) -> Listed[Opening]:
        """See the port."""
        ask = _list("openings", "openings.list_for_job", job_ids=str(int(job_id)))
        return self._every(ask, payloads.read_opening, lambda one: one.job_id == job_id)

    def applications_of_job(
        self, job_id: int, *, cursor: str | None = None
    ) -> Iterator[Page[Application]]:
        """See the port."""
        ask = _list("applications", "applications.list", job_ids=str(int(job_id)))
        pages = self._pages(
            ask,
            payloads.read_application,
            cursor=cursor,
            keep=lambda one: one.job_id == job_id or job_id in one.prospective_job_ids,
        )
        return self._staged(pages)

    def stage_history(self, application_id: int) -> tuple[StageEntry, ...]:
        """See the port."""
        entries = self._entries({"application_ids": str(int(application_id))})
        mine = [entry for entry in entries if entry.application_id == application_id]
        beginning = datetime.min.replace(tzinfo=UTC)
        return tuple(sorted(mine, key=lambda entry: (entry.entered_at or beginning, entry.id)))

    def _entries(self, params: Mapping[str, str]) -> Iterator[StageEntry]:
        ask = _list("application_stages", "application_stages.list", **params)
        for page in self._pages(ask, payloads.read_stage_entry):
            yield from page.records

    def _staged(self, pages: Iterator[Page[Application]]) -> Iterator[Page[Application]]:
        for page in pages:
            yield msgspec.structs.replace(page, records=self._stages.fill(page.records))

    def attachments(self, candidate_id: int) -> tuple[Attachment, ...]:
        """See the port. Needs the scope `harvest:attachments:list`."""
        ask = _list("attachments", "attachments.list", candidate_ids=str(int(candidate_id)))
        owned = self._every(
            ask, payloads.read_attachment, lambda one: one.candidate_id == candidate_id
        )
        return tuple(one.file for one in owned)

    # -- writes ------------------------------------------------------------------------------
    def advance(self, application_id: int, *, seen: SeenStage, acting_user_id: int) -> Receipt:
        """See the port. A move without a target."""
        return self._move("advance", application_id, seen, {}, acting_user_id)

    def move(
        self, application_id: int, *, seen: SeenStage, to_stage_id: int, acting_user_id: int
    ) -> Receipt:
        """See the port. Within the job."""
        return self._move(
            "move", application_id, seen, {"to_stage_id": to_stage_id}, acting_user_id
        )

    def transfer(
        self,
        application_id: int,
        *,
        seen: SeenStage,
        to_job_id: int,
        to_stage_id: int | None = None,
        acting_user_id: int,
    ) -> Receipt:
        """See the port. Sources disagree whether both targets may be sent at once, so it is moved
        on from where it landed.
        """
        target = {"to_job_id": to_job_id}
        receipt = self._move("transfer", application_id, seen, target, acting_user_id)
        landed = receipt.application
        if to_stage_id is None or landed is None or landed.stage_id == to_stage_id:
            return receipt
        try:
            return self.move(
                application_id,
                seen=landed.seen_stage,
                to_stage_id=to_stage_id,
                acting_user_id=acting_user_id,
            )
        except AtsError:  # the transfer has happened all the same
            return Receipt(application=self._look(application_id))

    def reject(
        self,
        application_id: int,
        *,
        reason_id: int,
        notes: str | None = None,
        email: RejectionEmail | None = None,
        acting_user_id: int,
    ) -> Receipt:
        """See the port."""
        body: dict[str, Any] = {"rejection_reason_id": reason_id}
        if notes:
            body["notes"] = notes
        if email is not None:
            body["rejection_email"] = _mail(email)
        ask = probes_v3.write("reject", application_id, body, acting_user_id)
        return self._act(ask, application_id, needs="active", until=self._until())

    def unreject(self, application_id: int, *, acting_user_id: int) -> Receipt:
        """See the port."""
        ask = probes_v3.write("unreject", application_id, {}, acting_user_id)
        return self._act(ask, application_id, needs="rejected", until=self._until())

    def update(
        self, application_id: int, *, changes: ApplicationChanges, acting_user_id: int
    ) -> Receipt:
        """See the port."""
        ask = probes_v3.write(
            "update", application_id, custom_fields.changed(changes), acting_user_id
        )
        return self._act(ask, application_id, needs="", until=self._until())

    def _act(self, ask: Ask, application_id: int, *, needs: str, until: float) -> Receipt:
        """Write, then read back: v3 answers 204 without a body."""
        self._write(ask, application_id=application_id, needs=needs, until=until)
        return Receipt(application=self._look(application_id))

    def _move(
        self,
        deed: str,
        application_id: int,
        seen: SeenStage,
        target: Mapping[str, int],
        acting_user_id: int,
    ) -> Receipt:
        """Move with the likelier `from_stage_id`; where that is what is refused, with the other.

        A 422 that speaks of the stage means either that the application moved on meanwhile or
        that we sent the wrong kind of id. Reading it tells which, so nothing is tried blindly.
        """
        until = self._until()

        def send(which: str, from_stage: int) -> Receipt:
            body = {"from_stage_id": from_stage, **target}
            ask = probes_v3.write(deed, application_id, body, acting_user_id)
            receipt = self._act(ask, application_id, needs="active", until=until)
            self._from_stage.worked(which)
            return receipt

        first = next(self._from_stage.candidates(seen), None)
        if first is None:
            raise Conflict("This application is in no stage, so it cannot be moved on.")
        try:
            return send(*first)
        except (Conflict, Invalid) as refusal:
            if not speaks_of_from_stage(refusal):
                raise
            other = self._other_kind(application_id, seen, first[0], refusal)
            return send(*other)

    def _other_kind(
        self, application_id: int, seen: SeenStage, tried: str, refusal: Conflict | Invalid
    ) -> tuple[str, int]:
        now = self._look(application_id)
        if now is not None:
            if now.status != "active" or _differs(seen, now.seen_stage):
                raise Conflict(refusal.sentence, evidence=refusal.evidence) from refusal
            seen = SeenStage(
                stage_id=seen.stage_id or now.stage_id, entry_id=seen.entry_id or now.stage_entry_id
            )
        for which, value in self._from_stage.candidates(seen):
            if which != tried:
                return which, value
        raise refusal


def _differs(seen: SeenStage, now: SeenStage) -> bool:
    pairs = ((seen.stage_id, now.stage_id), (seen.entry_id, now.entry_id))
    return any(a is not None and b is not None and a != b for a, b in pairs)


def _mail(email: RejectionEmail) -> dict[str, Any]:
    body: dict[str, Any] = {"email_template_id": email.template_id}
    if email.send_at is not None:
        body["send_email_at"] = stamp(email.send_at)
    if email.from_user_id is not None:
        body["email_from_user_id"] = email.from_user_id
    return body
