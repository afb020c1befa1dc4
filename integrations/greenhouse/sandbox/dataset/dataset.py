"""The records of one Greenhouse account, their IDs, and change notifications."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

import msgspec

from integrations.ats.emails import normalize_email
from integrations.greenhouse.sandbox.clock import Clock, format_timestamp, next_timestamp
from integrations.greenhouse.sandbox.dataset.records import (
    RECORD_TYPES,
    Application,
    ApplicationStage,
    Attachment,
    Candidate,
    CloseReason,
    CustomField,
    CustomFieldOption,
    Department,
    EmailTemplate,
    Job,
    JobPermission,
    JobPost,
    Note,
    Office,
    Opening,
    Record,
    Referrer,
    RejectionDetail,
    RejectionReason,
    ScheduledEmail,
    Scorecard,
    Source,
    Stage,
    TeamMember,
    User,
    UserEmail,
    UserRole,
)
from integrations.greenhouse.sandbox.dataset.tables import Table

R = TypeVar("R", bound=Record)

# Receives the dataset, the action, and a function that builds the payload on demand.
EventListener = Callable[["Dataset", str, Callable[[], dict[str, Any]]], None]

# IDs per kind of record. The ranges of kinds and accounts never overlap.
ID_RANGE_SIZE = 10_000_000

# IDs beyond 32 bits, such as 169024258003, have been observed.
ID_64_BIT_OFFSET = 169_000_000_000

_INDEXED_FIELDS: dict[str, tuple[str, ...]] = {
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
    "scorecards": ("application_id",),
    "notes": ("application_id", "candidate_id"),
}


def compute_first_id(kind: str, offset: int = 0) -> int:
    """Return the ID of an account's first record of this kind."""
    return offset + ID_RANGE_SIZE * (list(RECORD_TYPES).index(kind) + 1) + 1


class Dataset:
    """The records of one account.

    ``change_hooks`` run after every change; ``event_listeners`` receive webhook events.
    """

    def __init__(self, account: str, domain: str, clock: Clock, offset: int = 0) -> None:
        self.account = account
        self.domain = domain
        self.clock = clock
        self.offset = offset
        self.files_url = f"https://attachments.{domain}"
        self.version = 0
        self.change_hooks: list[Callable[[], None]] = []
        self.event_listeners: list[EventListener] = []
        self.json_cache: dict[tuple[str, str], dict[int, bytes]] = {}
        self.selection_cache: dict[Any, tuple[int, list[int]]] = {}
        self.tables: dict[str, Table[Any]] = {
            kind: Table(kind, _INDEXED_FIELDS.get(kind, ())) for kind in RECORD_TYPES
        }
        self._next = {kind: compute_first_id(kind, offset) for kind in RECORD_TYPES}
        self._kind_of = {cls: kind for kind, cls in RECORD_TYPES.items()}
        self._name_tables()

    def _name_tables(self) -> None:
        t = self.tables
        self.users: Table[User] = t["users"]
        self.user_emails: Table[UserEmail] = t["user_emails"]
        self.user_roles: Table[UserRole] = t["user_roles"]
        self.grants: Table[JobPermission] = t["user_job_permissions"]
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
        self.scorecards: Table[Scorecard] = t["scorecards"]
        self.notes: Table[Note] = t["notes"]

    def move_clock(self, days: int) -> None:
        """Let days pass: links to files are signed anew, time in stage grows."""
        base_clock = self.clock
        self.clock = lambda: base_clock() + timedelta(days=days)
        self.json_cache.clear()

    def get_time(self) -> str:
        return format_timestamp(self.clock())

    def allocate_id(self, kind: str) -> int:
        number = self._next[kind]
        self._next[kind] = number + 1
        return number

    def use_64_bit_ids(self, kind: str) -> None:
        if self._next[kind] < ID_64_BIT_OFFSET:
            self._next[kind] += ID_64_BIT_OFFSET

    def add_record(self, cls: type[R], at: str | None = None, **values: Any) -> R:
        kind = self._kind_of[cls]
        at = at or self.get_time()
        values.setdefault("updated_at", at)
        row = cls(id=self.allocate_id(kind), created_at=at, **values)
        self.tables[kind].add_row(row)
        self._record_change(row)
        return row

    def update_record(self, row: Record, **values: Any) -> None:
        """Change fields of a record; ``updated_at`` always moves forward."""
        values.setdefault("updated_at", next_timestamp(row.updated_at, self.clock()))
        self.tables[self._kind_of[type(row)]].update_row(row, **values)
        self._record_change(row)

    def remove_record(self, row: Record) -> None:
        self.tables[self._kind_of[type(row)]].remove_row(row)
        self._record_change(row)

    def record_activity(self, application: Application, **values: Any) -> None:
        """Change an application and move ``last_activity_at`` for it and its candidate."""
        moment = next_timestamp(
            max(application.updated_at, application.last_activity_at or ""), self.clock()
        )
        self.update_record(application, updated_at=moment, last_activity_at=moment, **values)
        candidate = self.candidates.get(application.candidate_id)
        if candidate:
            self.update_record(
                candidate,
                updated_at=max(moment, candidate.updated_at),
                last_activity_at=max(moment, candidate.last_activity_at or ""),
            )

    def _record_change(self, row: Record) -> None:
        self.version += 1
        if isinstance(row, Application | Candidate | ApplicationStage | RejectionDetail):
            self._drop_cached_json(row)
        elif self.json_cache:
            self.json_cache.clear()
        for hook in self.change_hooks:
            hook()

    def _drop_cached_json(self, row: Record) -> None:
        application_id = getattr(row, "application_id", row.id)
        application = self.applications.get(application_id)
        candidate_id = row.candidate_id if isinstance(row, Application) else row.id
        if application:
            candidate_id = application.candidate_id
        for (_, kind), cached_json in self.json_cache.items():
            if kind == "applications":
                cached_json.pop(application_id, None)
            elif kind == "candidates":
                cached_json.pop(candidate_id, None)
            elif kind in ("application_stages", "rejection_details"):
                cached_json.pop(row.id, None)

    def publish_event(self, action: str, payload: Callable[[], dict[str, Any]]) -> None:
        for listener in self.event_listeners:
            listener(self, action, payload)

    def list_job_stages(self, job_id: int | None, *, active_only: bool = False) -> list[Stage]:
        rows = self.stages.filter_by("job_id", job_id)
        rows = [row for row in rows if row.active or not active_only]
        return sorted(rows, key=lambda row: (row.priority, row.id))

    def list_field_options(self, field_id: int) -> list[CustomFieldOption]:
        rows = self.custom_options.filter_by("custom_field_id", field_id)
        return sorted((row for row in rows if row.active), key=lambda row: row.priority)

    def list_user_emails(self, user_id: int) -> list[UserEmail]:
        """Return a user's addresses, the primary one first."""
        return sorted(
            self.user_emails.filter_by("user_id", user_id), key=lambda row: not row.primary
        )

    def primary_email(self, user_id: int) -> str | None:
        """Return a user's primary address; service accounts have none."""
        return next((row.email for row in self.list_user_emails(user_id) if row.primary), None)

    def find_user_by_email(self, email: str) -> User | None:
        """Return the first user who has this address, primary or not."""
        wanted = normalize_email(email)
        for row in self.user_emails:
            if normalize_email(row.email) == wanted:
                return self.users.get(row.user_id)
        return None

    def find_user(self, name: str) -> User:
        """Return a user by the local part of their email. Raises KeyError."""
        match = self.find_user_by_email(f"{name}@{self.domain}")
        if match is None:
            raise KeyError(name)
        return match

    def to_state(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "domain": self.domain,
            "offset": self.offset,
            "next": self._next,
            "tables": {kind: list(table) for kind, table in self.tables.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        for kind, rows in state["tables"].items():
            table: Table[Record] = self.tables[kind]
            cls = RECORD_TYPES[kind]
            for row in cast(list[Record], msgspec.convert(rows, list[cls])):  # type: ignore[valid-type]
                table.add_row(row)
        self._next.update(state["next"])
        self.version += 1
