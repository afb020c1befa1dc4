"""One Greenhouse account: its records, their numbering, and how a change is made known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from integrations.ats.emails import normalize_email

from .clock import Clock, iso, later
from .records import (
    KINDS,
    Application,
    ApplicationStage,
    Attachment,
    Candidate,
    CloseReason,
    CustomField,
    CustomFieldOption,
    Department,
    EmailTemplate,
    FutureJobPermission,
    Job,
    JobPermission,
    JobPost,
    Office,
    Opening,
    Record,
    Referrer,
    RejectionDetail,
    RejectionReason,
    ScheduledEmail,
    Source,
    Stage,
    TeamMember,
    User,
    UserEmail,
    UserRole,
)
from .tables import Table

R = TypeVar("R", bound=Record)

Listener = Callable[["World", str, Callable[[], dict[str, Any]]], None]
"""Hears of what happened: the account, the action, and what makes the payload on demand."""

SPAN = 10_000_000
"""Room for the ids of one kind; no id of one kind is ever an id of another, nor of an account."""

FAR = 169_000_000_000
"""Where ids continue beyond 32 bits (ids such as 169024258003 are seen in the wild)."""

_INDEXED: dict[str, tuple[str, ...]] = {
    "user_emails": ("user_id",),
    "user_job_permissions": ("user_id", "job_id"),
    "future_job_permissions": ("user_id",),
    "jobs": ("status",),
    "job_interview_stages": ("job_id",),
    "job_posts": ("job_id",),
    "openings": ("job_id", "application_id"),
    "team_members": ("job_id", "user_id"),
    "attachments": ("candidate_id", "application_id"),
    "applications": ("candidate_id", "job_id", "prospective_job_ids", "status"),
    "application_stages": ("application_id", "stage_id"),
    "rejection_details": ("application_id",),
    "custom_field_options": ("custom_field_id",),
}


class World:
    """The records of one account.

    ``hooks`` are called after every change; ``listeners`` hear of what a web hook would tell.
    """

    def __init__(self, account: str, domain: str, clock: Clock, offset: int = 0) -> None:
        self.account = account
        self.domain = domain
        self.clock = clock
        self.offset = offset
        self.version = 0
        self.hooks: list[Callable[[], None]] = []
        self.listeners: list[Listener] = []
        self.encoded: dict[tuple[str, str], dict[int, bytes]] = {}
        self.selections: dict[Any, tuple[int, list[int]]] = {}
        self.tables: dict[str, Table[Any]] = {
            kind: Table(kind, _INDEXED.get(kind, ())) for kind in KINDS
        }
        self._next = {kind: offset + SPAN * (number + 1) + 1 for number, kind in enumerate(KINDS)}
        self._kind_of = {cls: kind for kind, cls in KINDS.items()}
        self._name_tables()

    def _name_tables(self) -> None:
        t = self.tables
        self.users: Table[User] = t["users"]
        self.user_emails: Table[UserEmail] = t["user_emails"]
        self.user_roles: Table[UserRole] = t["user_roles"]
        self.grants: Table[JobPermission] = t["user_job_permissions"]
        self.future_grants: Table[FutureJobPermission] = t["future_job_permissions"]
        self.departments: Table[Department] = t["departments"]
        self.offices: Table[Office] = t["offices"]
        self.jobs: Table[Job] = t["jobs"]
        self.stages: Table[Stage] = t["job_interview_stages"]
        self.posts: Table[JobPost] = t["job_posts"]
        self.openings: Table[Opening] = t["openings"]
        self.team: Table[TeamMember] = t["team_members"]
        self.close_reasons: Table[CloseReason] = t["close_reasons"]
        self.rejection_reasons: Table[RejectionReason] = t["rejection_reasons"]
        self.sources: Table[Source] = t["sources"]
        self.referrers: Table[Referrer] = t["referrers"]
        self.email_templates: Table[EmailTemplate] = t["email_templates"]
        self.candidates: Table[Candidate] = t["candidates"]
        self.attachments: Table[Attachment] = t["attachments"]
        self.applications: Table[Application] = t["applications"]
        self.history: Table[ApplicationStage] = t["application_stages"]
        self.rejections: Table[RejectionDetail] = t["rejection_details"]
        self.mails: Table[ScheduledEmail] = t["scheduled_emails"]
        self.custom_fields: Table[CustomField] = t["custom_fields"]
        self.custom_options: Table[CustomFieldOption] = t["custom_field_options"]

    def now(self) -> str:
        """Give the present moment in the spelling of the records."""
        return iso(self.clock())

    def take_id(self, kind: str) -> int:
        """Give the next free id of a kind."""
        number = self._next[kind]
        self._next[kind] = number + 1
        return number

    def go_far(self, kind: str) -> None:
        """Let the ids of a kind continue beyond 32 bits."""
        if self._next[kind] < FAR:
            self._next[kind] += FAR

    def add(self, cls: type[R], at: str | None = None, **values: Any) -> R:
        """Make a record of this class and take it in; ``at`` is when it was made."""
        kind = self._kind_of[cls]
        at = at or self.now()
        values.setdefault("updated_at", at)
        row = cls(id=self.take_id(kind), created_at=at, **values)
        self.tables[kind].add(row)
        self._note(row)
        return row

    def change(self, row: Record, **values: Any) -> None:
        """Change fields of a record; its ``updated_at`` moves, always forward."""
        values.setdefault("updated_at", later(row.updated_at, self.clock()))
        self.tables[self._kind_of[type(row)]].set(row, **values)
        self._note(row)

    def remove(self, row: Record) -> None:
        """Forget a record."""
        self.tables[self._kind_of[type(row)]].remove(row)
        self._note(row)

    def touch(self, application: Application, **values: Any) -> None:
        """Change an application as an activity: ``last_activity_at`` moves, the candidate's too."""
        moment = later(
            max(application.updated_at, application.last_activity_at or ""), self.clock()
        )
        self.change(application, updated_at=moment, last_activity_at=moment, **values)
        candidate = self.candidates.get(application.candidate_id)
        if candidate:
            self.change(
                candidate,
                updated_at=max(moment, candidate.updated_at),
                last_activity_at=max(moment, candidate.last_activity_at or ""),
            )

    def _note(self, row: Record) -> None:
        self.version += 1
        if isinstance(row, Application | Candidate | ApplicationStage | RejectionDetail):
            self._forget_application(row)
        elif self.encoded:
            self.encoded.clear()
        for hook in self.hooks:
            hook()

    def _forget_application(self, row: Record) -> None:
        application = getattr(row, "application_id", row.id)
        known = self.applications.get(application)
        candidate = row.candidate_id if isinstance(row, Application) else row.id
        if known:
            candidate = known.candidate_id
        for (_, kind), texts in self.encoded.items():
            if kind == "applications":
                texts.pop(application, None)
            elif kind == "candidates":
                texts.pop(candidate, None)
            elif kind in ("application_stages", "rejection_details"):
                texts.pop(row.id, None)

    def publish(self, action: str, payload: Callable[[], dict[str, Any]]) -> None:
        """Tell the listeners what happened, in the words of web hooks."""
        for listener in self.listeners:
            listener(self, action, payload)

    # Questions that more than one room asks.

    def stages_of(self, job_id: int | None, *, active_only: bool = False) -> list[Stage]:
        """Give the stages of a job in their order."""
        rows = self.stages.where("job_id", job_id)
        rows = [row for row in rows if row.active or not active_only]
        return sorted(rows, key=lambda row: (row.priority, row.id))

    def options_of(self, field_id: int) -> list[CustomFieldOption]:
        """Give the options of a custom field that can be chosen, in their order."""
        rows = self.custom_options.where("custom_field_id", field_id)
        return sorted((row for row in rows if row.active), key=lambda row: row.priority)

    def emails_of(self, user_id: int) -> list[UserEmail]:
        """Give the addresses of a user, the primary one first."""
        return sorted(self.user_emails.where("user_id", user_id), key=lambda row: not row.primary)

    def primary_email(self, user_id: int) -> str | None:
        """Give a user's primary address; service accounts have none."""
        return next((row.email for row in self.emails_of(user_id) if row.primary), None)

    def user_by_email(self, email: str) -> User | None:
        """Give the first user who has this address, primary or not."""
        wanted = normalize_email(email)
        for row in self.user_emails:
            if normalize_email(row.email) == wanted:
                return self.users.get(row.user_id)
        return None

    def user(self, name: str) -> User:
        """Give a user by the part of the primary address before the ``@``, such as ``remy``."""
        found = self.user_by_email(f"{name}@{self.domain}")
        if found is None:
            raise KeyError(name)
        return found

    # The state file.

    def to_state(self) -> dict[str, Any]:
        """Give everything as plain data, ready for JSON."""
        return {
            "account": self.account,
            "domain": self.domain,
            "offset": self.offset,
            "next": self._next,
            "tables": {kind: list(table) for kind, table in self.tables.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`to_state` gave."""
        for kind, rows in state["tables"].items():
            table: Table[Record] = self.tables[kind]
            cls = KINDS[kind]
            for row in cast(list[Record], msgspec.convert(rows, list[cls])):  # type: ignore[valid-type]
                table.add(row)
        self._next.update(state["next"])
        self.version += 1
