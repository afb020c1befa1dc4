"""Write pages of candidates and applications.

An optional parent, such as the stage, is left empty until it arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from django.db.models import QuerySet

from integrations.ats import types as ats
from portal.connections.models import Connection
from portal.core.database.compiled_queries import compile_once
from portal.core.names.search_keys import build_search_key
from portal.core.names.text import clean_name, clean_person_name
from portal.sync.engine.upsert import ParentRef, UpsertTable, WriteResult
from portal.sync.models import Application, AtsUser, Candidate, CustomField, Job, Source, Stage
from portal.sync.records import candidate_erasure
from portal.sync.records.contact_digests import build_contact_digests, get_contact_hasher

CANDIDATE_TABLE = UpsertTable(
    Candidate,
    (
        "first_name",
        "last_name",
        "preferred_name",
        "search_name",
        "company",
        "title",
        "search_details",
        "private",
        "can_email",
        "time_zone",
        "contact_digests",
    ),
    # A candidate who loses both names was anonymized in Greenhouse.
    on_update={
        "erased_at": "CASE WHEN excluded.first_name <> '' OR excluded.last_name <> '' THEN NULL"
        " WHEN existing.first_name <> '' OR existing.last_name <> '' THEN excluded.changed_at"
        " ELSE existing.erased_at END"
    },
    # Other details of a candidate without a name are not stored [inferred].
    overrides={
        name: "CASE WHEN incoming.first_name = '' AND incoming.last_name = ''"
        f" THEN '' ELSE incoming.{name} END"
        for name in ("preferred_name", "company", "title", "search_details", "time_zone")
    }
    | {
        "contact_digests": "CASE WHEN incoming.first_name = '' AND incoming.last_name = ''"
        " THEN '[]' ELSE incoming.contact_digests END"
    },
    compares_source=True,
)
_IS_NAMELESS_SQL = "\"candidate\".first_name = '' AND \"candidate\".last_name = ''"
# Without a stage id (v3, when stages may not be read), the stage entry's id is compared.
_IS_SAME_STAGE_SQL = (
    "existing.stage_remote_id = excluded.stage_remote_id"
    " OR COALESCE(existing.stage_remote_id, excluded.stage_remote_id) IS NULL"
    " AND COALESCE(existing.stage_entry_id, excluded.stage_entry_id) IS NULL"
    " OR (existing.stage_remote_id IS NULL OR excluded.stage_remote_id IS NULL)"
    " AND existing.stage_entry_id = excluded.stage_entry_id"
)
# The clock to an answer. An application leaves "needs a decision" with its stage, its status, or
# when Greenhouse no longer says so; a transfer is no answer of the job it left.
_NEEDS_DECISION_SQL = "(excluded.status = 'active' AND excluded.needs_decision)"
_NEEDED_DECISION_SQL = "(existing.status = 'active' AND existing.needs_decision)"
# A change without any activity is dated to when it was noticed.
_CHANGED_AT_SQL = (
    "CASE WHEN excluded.last_activity_at > COALESCE(existing.last_activity_at,"
    " existing.first_seen_at) THEN excluded.last_activity_at ELSE excluded.changed_at END"
)
_IS_TRANSFERRED_SQL = "existing.job_id <> excluded.job_id"
# An answer that was withdrawn.
_IS_UNREJECTED_SQL = "existing.status <> 'active' AND excluded.status = 'active'"
_IS_ANSWERED_SQL = (
    f"{_NEEDED_DECISION_SQL} AND NOT (excluded.status = 'active'"
    f" AND COALESCE({_IS_SAME_STAGE_SQL}, FALSE) AND COALESCE(excluded.needs_decision, TRUE))"
)
APPLICATION_TABLE = UpsertTable(
    Application,
    (
        "stage_name",
        "stage_remote_id",
        "stage_entry_id",
        "status",
        "needs_decision",
        "prospect",
        "rejection_reason_remote_id",
        "applied_at",
        "last_activity_at",
        "source_name",
        "answers",
        "custom",
    ),
    parents={
        "job": ParentRef(Job),
        "candidate": ParentRef(Candidate),
        "stage": ParentRef(Stage),
        "source": ParentRef(Source),
        "recruiter": ParentRef(AtsUser),
        "coordinator": ParentRef(AtsUser),
    },
    # Inferred: an application in the first stage entered it on applying; a stage that changed
    # between two reads changed at the latest activity.
    on_insert={
        "entered_stage_at": 'CASE WHEN "stage"."order" = 0 THEN incoming.applied_at END',
        "decision_needed_at": 'CASE WHEN "stage"."order" = 0 AND incoming.needs_decision'
        " AND incoming.status = 'active' THEN incoming.applied_at END",
    },
    on_update={
        "decision_needed_at": f"CASE WHEN NOT COALESCE({_NEEDS_DECISION_SQL}, FALSE) THEN NULL"
        f" WHEN NOT COALESCE({_IS_SAME_STAGE_SQL}, FALSE) THEN excluded.last_activity_at"
        f" WHEN {_NEEDED_DECISION_SQL} THEN existing.decision_needed_at"
        " WHEN existing.needs_decision IS NULL AND existing.status = 'active'"
        f" THEN existing.entered_stage_at ELSE {_CHANGED_AT_SQL} END",
        "answered_at": f"CASE WHEN {_IS_TRANSFERRED_SQL} OR {_IS_UNREJECTED_SQL} THEN NULL"
        f" WHEN {_IS_ANSWERED_SQL} THEN {_CHANGED_AT_SQL} ELSE existing.answered_at END",
        "answer_needed_at": f"CASE WHEN {_IS_TRANSFERRED_SQL} OR {_IS_UNREJECTED_SQL} THEN NULL"
        f" WHEN {_IS_ANSWERED_SQL} THEN existing.decision_needed_at"
        " ELSE existing.answer_needed_at END",
        "entered_stage_at": f"CASE WHEN {_IS_SAME_STAGE_SQL}"
        " THEN existing.entered_stage_at ELSE excluded.last_activity_at END",
        "previous_job_id": "CASE WHEN existing.job_id IS NULL OR existing.job_id = excluded.job_id"
        " THEN existing.previous_job_id ELSE existing.job_id END",
    },
    # A candidate without a name was anonymized or deleted: a late response or a stale list must
    # not restore what they wrote.
    overrides={
        "answers": f"CASE WHEN {_IS_NAMELESS_SQL} THEN '[]' ELSE incoming.answers END",
        "custom": f"CASE WHEN {_IS_NAMELESS_SQL} THEN '{{}}' ELSE incoming.custom END",
    },
    compares_source=True,
)


_clean_stage_name = lru_cache(maxsize=1000)(clean_name)  # many applications, few stages


def write_candidates(connection: Connection, page: Sequence[ats.Candidate]) -> WriteResult:
    hasher = get_contact_hasher(connection.organization_id)
    written = CANDIDATE_TABLE.write(
        connection,
        (
            {
                "remote_id": c.id,
                "source_fingerprint": c.fingerprint,
                "first_name": clean_person_name(c.first_name)[:200],
                "last_name": clean_person_name(c.last_name)[:200],
                "preferred_name": clean_name(c.preferred_name or "")[:200],
                "search_name": build_search_key(c.first_name, c.last_name, c.preferred_name or ""),
                "company": clean_name(c.company or "")[:200],
                "title": clean_name(c.title or "")[:300],
                "search_details": build_search_key(c.company or "", c.title or ""),
                "private": c.private,
                "can_email": c.can_email,
                "time_zone": (c.time_zone or "")[:40],
                "contact_digests": build_contact_digests(hasher, c),
            }
            for c in page
        ),
    )
    if written.changed:
        candidate_erasure.erase_anonymized_candidates(connection, written.changed)
    return written


def list_visible_keys(connection: Connection) -> list[str]:
    """Return the keys of the custom fields whose values are stored."""
    return _find_visible_keys(connection.pk)


@compile_once
def _find_visible_keys(connection_id: int) -> QuerySet[CustomField, str]:
    return CustomField.objects.filter_visible(connection_id).values_list("key", flat=True)


def write_applications(connection: Connection, page: Sequence[ats.Application]) -> WriteResult:
    """Write applications, keeping only values of custom fields that are visible in the portal."""
    has_custom_fields = any(a.custom_fields for a in page)
    visible_keys = {*list_visible_keys(connection)} if has_custom_fields else set()
    return APPLICATION_TABLE.write(
        connection,
        (
            {
                "remote_id": a.id,
                "source_fingerprint": a.fingerprint,
                "job": a.job_id,
                "candidate": a.candidate_id,
                "stage": a.stage_id,
                "stage_name": _clean_stage_name(a.stage_name or "")[:200],
                "stage_remote_id": a.stage_id,
                "stage_entry_id": a.stage_entry_id,
                "status": a.status[:30],
                "needs_decision": a.needs_decision,
                "prospect": a.prospect,
                "rejection_reason_remote_id": a.rejection_reason_id,
                "applied_at": a.applied_at,
                "last_activity_at": a.last_activity_at,
                "source": a.source_id,
                "source_name": clean_name(a.source_name or "")[:300],
                "recruiter": a.recruiter_id,
                "coordinator": a.coordinator_id,
                "answers": a.answers,
                "custom": a.custom_fields
                and {
                    key: value
                    for key, value in a.custom_fields.items()
                    if key in visible_keys and value not in (None, "", [])
                },
            }
            for a in page
        ),
    )
