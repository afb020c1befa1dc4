"""Fact report: which assumptions about Harvest hold in a real account. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from integrations.ats.errors import AtsError
from integrations.ats.record_ids import MAX_ID
from integrations.greenhouse.client.harvest_v1 import HarvestV1
from integrations.greenhouse.client.harvest_v3 import HarvestV3
from integrations.greenhouse.fact_reader import Answer, Fact, FactReader, Verdict, judge_fact
from integrations.greenhouse.undecidable_facts import UNDECIDABLE_V1, UNDECIDABLE_V3

_SAMPLE = 50  # documented maximum of an id filter
_FIRST_EPOCH_SECOND = 1_500_000_000  # a smaller number counts seconds from now


Check = Callable[[FactReader], Answer]


def list_facts(provider: HarvestV1 | HarvestV3) -> Iterator[Fact]:
    """Check every assumption of the provider's API generation that reading can settle."""
    reader = FactReader(provider)
    for name, check in _V3_CHECKS if isinstance(provider, HarvestV3) else _V1_CHECKS:
        try:
            verdict, evidence = check(reader)
        except AtsError as error:
            status = error.evidence.status if error.evidence else None
            verdict, evidence = Verdict.UNKNOWN, f"the read was answered {status or 'not at all'}"
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError):
            verdict, evidence = Verdict.UNKNOWN, "the answer has another form than documented"
        yield Fact(name, verdict, evidence)
    if isinstance(provider, HarvestV3):
        yield _check_scopes(provider)
        yield _check_earlier_token(provider)
    undecidable = UNDECIDABLE_V3 if isinstance(provider, HarvestV3) else UNDECIDABLE_V1
    for name, reason in undecidable.items():
        yield Fact(name, Verdict.UNKNOWN, reason)


def _check_status(path: str, expected: int, **params: Any) -> Check:
    def check(reader: FactReader) -> Answer:
        status = reader.read_status(path, **params)
        evidence = f"GET {path} answered {status}"
        if status not in (200, expected):
            return Verdict.UNKNOWN, evidence
        return judge_fact(status == expected, evidence)

    return check


def _check_order(path: str, *, descending: bool) -> Check:
    def check(reader: FactReader) -> Answer:
        ids = [row["id"] for row in reader.read_rows(path, per_page=_SAMPLE)]
        if len(ids) < 2:
            return Verdict.UNKNOWN, f"{len(ids)} records"
        return judge_fact(ids == sorted(ids, reverse=descending), f"{len(ids)} records compared")

    return check


def _check_default_posts(reader: FactReader) -> Answer:
    listed = reader.read_rows("/v3/job_posts", per_page=500)
    inactive = sum(row.get("active") is False for row in listed)
    if inactive:
        return Verdict.CONTRADICTED, f"{inactive} of {len(listed)} posts are inactive"
    hidden = len(reader.read_rows("/v3/job_posts", active="false", per_page=1))
    verdict = Verdict.CONFIRMED if hidden else Verdict.UNKNOWN
    return verdict, f"no inactive post of {len(listed)}; with active=false: {hidden}"


def _compare_stages(reader: FactReader) -> tuple[int, int, int]:
    """How many applications' stage_id is their entry's id, its job stage, and how many compared."""
    rows = reader.read_rows("/v3/applications", status="active", per_page=_SAMPLE)
    ids = ",".join(str(row["id"]) for row in rows if row.get("stage_id"))
    if not ids:
        return 0, 0, 0
    params = {"application_ids": ids, "current": "true", "per_page": 500}
    entries = {
        row["application_id"]: row for row in reader.read_rows("/v3/application_stages", **params)
    }
    pairs = [(row["stage_id"], entries[row["id"]]) for row in rows if row["id"] in entries]
    as_entry = sum(stage_id == entry["id"] for stage_id, entry in pairs)
    as_stage = sum(stage_id == entry["job_interview_stage_id"] for stage_id, entry in pairs)
    return as_entry, as_stage, len(pairs)


def _check_stage_id(reader: FactReader) -> Answer:
    as_entry, as_stage, compared = _compare_stages(reader)
    evidence = f"{compared} compared: {as_entry} are entries, {as_stage} are job stages"
    if as_entry == as_stage:
        return Verdict.UNKNOWN, evidence
    return judge_fact(as_entry > as_stage, evidence)


def _check_newer_field(reader: FactReader) -> Answer:
    rows = reader.read_rows("/v3/applications", per_page=_SAMPLE)
    carrying = sum("job_interview_stage_id" in row for row in rows)
    if not rows:
        return Verdict.UNKNOWN, "no applications"
    return judge_fact(carrying == len(rows), f"{carrying} of {len(rows)} applications")


def _find_site_admins(reader: FactReader, *, deactivated: bool) -> Sequence[int]:
    rows = reader.read_rows("/v3/users", deactivated=str(deactivated).lower(), per_page=500)
    admins = [row["id"] for row in rows if row.get("site_admin") is True]
    return admins[:_SAMPLE]


def _check_admin_grants(*, deactivated: bool) -> Check:
    def check(reader: FactReader) -> Answer:
        admins = _find_site_admins(reader, deactivated=deactivated)
        if not admins:
            return Verdict.UNKNOWN, "no such Site Admin"
        ids = ",".join(map(str, admins))
        rows = reader.read_rows("/v3/user_job_permissions", user_ids=ids, per_page=500)
        count = sum(row.get("user_id") in admins for row in rows)
        evidence = f"{count} grants of {len(admins)} Site Admins"
        if deactivated:
            return (Verdict.CONFIRMED if count else Verdict.UNKNOWN), evidence
        return judge_fact(not count, evidence)

    return check


def _check_found(path: str, noun: str, **params: Any) -> Check:
    def check(reader: FactReader) -> Answer:
        rows = reader.read_rows(path, per_page=1, **params)
        verdict = Verdict.CONFIRMED if rows else Verdict.UNKNOWN
        return verdict, f"{noun}: {'at least one' if rows else 'none'} listed"

    return check


def _check_templates(path: str) -> Check:
    def check(reader: FactReader) -> Answer:
        rows = reader.read_rows(path, status="open", per_page=500)
        templates = sum(row.get("is_template") is True for row in rows)
        verdict = Verdict.CONFIRMED if templates else Verdict.UNKNOWN
        return verdict, f"{templates} of {len(rows)} open jobs"

    return check


def _check_unknown_subject(reader: FactReader) -> Answer:
    status = reader.read_status_as(MAX_ID, "/v3/jobs")
    evidence = f"a token for a user who does not exist was answered {status}"
    if status not in (200, 400, 401, 403, 404, 422):
        return Verdict.UNKNOWN, evidence
    return judge_fact(status == 400, evidence)


def _check_deactivated_subject(reader: FactReader) -> Answer:
    rows = reader.read_rows("/v3/users", deactivated="true", per_page=1)
    users = [row["id"] for row in rows if row.get("deactivated") is True]
    if not users:
        return Verdict.UNKNOWN, "no deactivated user"
    status = reader.read_status_as(users[0], "/v3/jobs")
    evidence = f"a read as a deactivated user was answered {status}"
    if status not in (200, 400, 401, 403):
        return Verdict.UNKNOWN, evidence
    return judge_fact(status == 403, evidence)


def _check_template_senders(reader: FactReader) -> Answer:
    rows = reader.read_rows("/v3/email_templates", per_page=500)
    expected = sum(row.get("from_type") in _FROM_TYPES for row in rows)
    if not rows:
        return Verdict.UNKNOWN, "no email templates"
    return judge_fact(expected == len(rows), f"{expected} of {len(rows)} email templates")


def _check_reset_header(reader: FactReader) -> Answer:
    reset = reader.read_header("/v1/jobs", "x-ratelimit-reset")
    if not reset:
        return Verdict.UNKNOWN, "the answer has no such header"
    is_epoch = reset.isdecimal() and len(reset) < 12 and int(reset) > _FIRST_EPOCH_SECOND
    return judge_fact(is_epoch, "one answer's header looked at")


def _check_fixed_window(reader: FactReader) -> Answer:
    resets = [reader.read_header("/v1/jobs", "x-ratelimit-reset") for _ in range(3)]
    if not all(resets):
        return Verdict.UNKNOWN, "the answer has no X-RateLimit-Reset"
    # A window may end in between once, so that two of three are the same.
    return judge_fact(len(set(resets)) < len(resets), f"{len(set(resets))} ends in 3 answers")


def _check_option_filter(reader: FactReader) -> Answer:
    fields = reader.read_rows("/v3/custom_fields", per_page=500)
    selects = [row for row in fields if str(row.get("value_type", "")).endswith("select")]
    for field in selects[:5]:
        params = {"custom_field_key": field["name_key"], "per_page": 500}
        rows = reader.read_rows("/v3/custom_field_options", **params)
        if rows:
            own = sum(row.get("custom_field_id") == field["id"] for row in rows)
            return judge_fact(own == len(rows), f"{own} of {len(rows)} options are the field's")
    return Verdict.UNKNOWN, f"{len(selects)} select fields, none with options"


def _check_scopes(provider: HarvestV3) -> Fact:
    scopes = provider.get_granted_scopes()
    name = "The token or introspection tells the granted scopes, in a form that is known"
    if scopes is None:
        return Fact(name, Verdict.UNKNOWN, "neither answered in a known form")
    return Fact(name, Verdict.CONFIRMED, f"{len(scopes)} scopes")


def _check_earlier_token(provider: HarvestV3) -> Fact:
    name = "A new token leaves the one before it valid"
    try:
        status = provider.test_earlier_token()
    except AtsError as error:
        return Fact(name, Verdict.UNKNOWN, type(error).__name__)
    if status in (200, 401):
        return Fact(name, *judge_fact(status == 200, f"the earlier token was answered {status}"))
    return Fact(name, Verdict.UNKNOWN, f"the earlier token was answered {status}")


_FROM_TYPES = ("user_email", "organization_email")
_V3_CHECKS: tuple[tuple[str, Check], ...] = (
    ("Lists are by descending ID", _check_order("/v3/jobs", descending=True)),
    ("per_page above 500 is 422", _check_status("/v3/jobs", 422, per_page=501)),
    (
        "created_at and updated_at together are 422",
        _check_status(
            "/v3/jobs",
            422,
            created_at="gte|2020-01-01T00:00:00Z",
            updated_at="gte|2020-01-01T00:00:00Z",
        ),
    ),
    ("A cursor that Greenhouse did not give is 422", _check_status("/v3/jobs", 422, cursor="x")),
    ("status=in_process is 422", _check_status("/v3/applications", 422, status="in_process")),
    ("Unknown parameters are ignored", _check_status("/v3/jobs", 200, unknown_parameter="1")),
    ("fields= is accepted", _check_status("/v3/jobs", 200, fields="id,name")),
    ("job_posts lists only active posts by default", _check_default_posts),
    ("An application's stage_id is a row of its stage history", _check_stage_id),
    ("Applications carry job_interview_stage_id", _check_newer_field),
    ("Grants of active Site Admins are not listed", _check_admin_grants(deactivated=False)),
    ("Grants of deactivated Site Admins are listed", _check_admin_grants(deactivated=True)),
    (
        "The reader sees confidential jobs",
        _check_found("/v3/jobs", "confidential jobs", confidential="true"),
    ),
    ("Open jobs can be templates", _check_templates("/v3/jobs")),
    ("custom_field_options filters by custom_field_key", _check_option_filter),
    ("A token for an unknown sub is 400", _check_unknown_subject),
    ("A token of a deactivated user gets 403", _check_deactivated_subject),
    ("A template's from_type is user_email or organization_email", _check_template_senders),
)
_V1_CHECKS: tuple[tuple[str, Check], ...] = (
    ("Lists are by ascending ID", _check_order("/v1/jobs", descending=False)),
    ("per_page above 500 is 422", _check_status("/v1/jobs", 422, per_page=501)),
    ("Unknown parameters are ignored", _check_status("/v1/jobs", 200, unknown_parameter="1")),
    ("A job that does not exist is 404", _check_status("/v1/jobs/0", 404)),
    ("Open jobs can be templates", _check_templates("/v1/jobs")),
    ("X-RateLimit-Reset is in seconds since 1970", _check_reset_header),
    ("Rate windows are fixed", _check_fixed_window),
)
