"""What every kind of `integrations.greenhouse.provider.Provider` does alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from integrations.ats import errors
from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    BadCredential,
    Conflict,
    FileRefused,
    InvalidValues,
    MissingPermission,
    NotFound,
    UnreadableResponse,
)
from integrations.ats.permissions import ProbeOutcome
from integrations.ats.types import (
    Application,
    ApplicationChanges,
    CustomField,
    RejectionEmail,
    SeenStage,
)
from integrations.greenhouse.credential_kinds import CREDENTIAL_KINDS
from integrations.greenhouse.permission_catalogue import CATALOGUE
from integrations.greenhouse.provider import Provider, create_provider
from integrations.greenhouse.sandbox import Sandbox
from tests.integrations.greenhouse.provider_bench import (
    SECRETS,
    ConsentStore,
    ManualClock,
    ProviderBench,
    UnknownConsents,
    create_sandbox,
    open_provider_bench,
)


@pytest.fixture(params=sorted(CREDENTIAL_KINDS))
def bench(request: pytest.FixtureRequest) -> Iterator[ProviderBench]:
    clock = ManualClock()
    with create_sandbox(clock, seed=7, jobs=20) as sandbox:
        bench = open_provider_bench(request.param, sandbox.url, clock)
        bench.sandbox = sandbox
        yield bench


@pytest.fixture
def provider(bench: ProviderBench) -> Provider:
    return bench.provider


@pytest.fixture
def sandbox(bench: ProviderBench) -> Sandbox:
    running: Sandbox = bench.sandbox
    return running


def find_users(provider: Provider, *names: str) -> list[int]:
    users = [user for page in provider.list_users() for user in page.records]
    return [next(user.id for user in users if user.name.startswith(name)) for name in names]


def find_application(provider: Provider) -> Application:
    """An active application in the first stage of a job."""
    first_stages = {
        stage.id
        for page in provider.list_stages()
        for stage in page.records
        if stage.order == 0 and stage.active
    }
    return next(
        application
        for page in provider.list_applications()
        for application in page.records
        if application.status == "active"
        if application.job_id and application.stage_id in first_stages
    )


def find_reason(provider: Provider) -> int:
    return next(r.id for page in provider.list_rejection_reasons() for r in page.records)


# -- lists -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "table"),
    [
        ("list_jobs", "jobs"),
        ("list_stages", "job_interview_stages"),
        ("list_job_posts", "job_posts"),
        ("list_applications", "applications"),
        ("list_candidates", "candidates"),
        ("list_departments", "departments"),
        ("list_offices", "offices"),
        ("list_user_roles", "user_roles"),
        ("list_close_reasons", "close_reasons"),
        ("list_rejection_reasons", "rejection_reasons"),
        ("list_email_templates", "email_templates"),
        ("list_sources", "sources"),
    ],
)
def test_list_yields_every_record_once(
    provider: Provider, sandbox: Sandbox, call: str, table: str
) -> None:
    pages = list(getattr(provider, call)())
    ids = [record.id for page in pages for record in page.records]
    assert len(ids) == len(set(ids)) == sandbox.count_records()[table]
    assert all(page.set_aside == () for page in pages)
    assert pages[-1].cursor is None


def test_nested_and_listed_records_are_complete(provider: Provider, sandbox: Sandbox) -> None:
    stats = sandbox.count_records()
    jobs = [job for page in provider.list_jobs() for job in page.records]
    team = [member for page in provider.list_hiring_team() for member in page.records]
    team += [member for job in jobs for member in job.hiring_team or ()]
    openings = [opening for page in provider.list_openings() for opening in page.records]
    openings += [opening for job in jobs for opening in job.openings or ()]
    users = [user for page in provider.list_users() for user in page.records]
    addresses = {
        (e.user_id, e.address) for page in provider.list_user_emails() for e in page.records
    }
    addresses |= {(user.id, address) for user in users for address in user.emails}
    assert len(team) == stats["team_members"]
    assert len(openings) == stats["openings"]
    assert len(addresses) == stats["user_emails"]
    assert "Dana Diaz" in {user.name for user in users if user.site_admin and user.deactivated}


def test_jobs_match_sandbox_counts(provider: Provider, sandbox: Sandbox) -> None:
    jobs = [job for page in provider.list_jobs() for job in page.records]
    stats = sandbox.count_records()
    shown = [job for job in jobs if job.is_requisition]
    assert sum(job.status == "open" for job in shown) == stats["requisitions_by_status"]["open"]
    assert sum(job.confidential for job in jobs) == stats["jobs_confidential"]


def test_job_permissions_filter_by_user(provider: Provider) -> None:
    remy, vic, basil = find_users(provider, "Remy", "Vic", "Basil")
    pages = list(provider.list_job_permissions(user_ids=[remy, vic, basil, vic]))
    grants = [grant for page in pages for grant in page.records]
    assert {grant.user_id for grant in grants} == {remy, vic}
    assert len({grant.id for grant in grants}) == len(grants)
    assert pages[-1].cursor is None
    assert [p.records for p in provider.list_job_permissions(user_ids=[])] == [()]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("harvest_v1", "harvest_v3"):
        monkeypatch.setattr(f"integrations.greenhouse.client.{name}.PER_PAGE", "7")
    monkeypatch.setattr("integrations.greenhouse.client.harvest_v1._LIST_PARAMS", {"per_page": "7"})


@pytest.mark.usefixtures("small_pages")
def test_list_resumes_from_cursor(provider: Provider) -> None:
    pages = [page.records for page in provider.list_applications()]
    assert len(pages) > 20
    first = next(provider.list_applications())
    rest = [page.records for page in provider.list_applications(cursor=first.cursor)]
    assert [first.records, *rest] == pages


@pytest.mark.usefixtures("small_pages")
def test_job_permissions_resume_from_cursor(provider: Provider) -> None:
    users = [user.id for page in provider.list_users() for user in page.records]
    pages = list(provider.list_job_permissions(user_ids=users))
    assert len(pages) > 2
    for index in (0, len(pages) // 2, len(pages) - 2):
        rest = list(provider.list_job_permissions(user_ids=users, cursor=pages[index].cursor))
        assert rest == pages[index + 1 :]


@pytest.mark.usefixtures("small_pages")
def test_narrow_job_permissions_resume_from_cursor(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.greenhouse.client.harvest_v3.MAX_FILTER_IDS", 5)
    users = [user.id for page in provider.list_users() for user in page.records][::-1]
    pages = list(provider.list_job_permissions(user_ids=users, narrow=True))
    grants = {grant for page in pages for grant in page.records}
    assert grants == {
        grant for page in provider.list_job_permissions(user_ids=users) for grant in page.records
    }
    complete = {user for page in pages for user in page.complete_users}
    assert complete <= {*users}  # who has more than a page is complete only at the end
    for page in pages:
        assert not page.complete_users or {g.user_id for g in page.records} <= {
            *page.complete_users
        }
    for index, page in enumerate(pages[:-1]):
        rest = provider.list_job_permissions(user_ids=users, narrow=True, cursor=page.cursor)
        following = {grant for page in rest for grant in page.records}
        assert following >= {g for later in pages[index + 1 :] for g in later.records}


def test_cursor_of_other_list_is_refused(provider: Provider, bench: ProviderBench) -> None:
    with pytest.raises(UnreadableResponse):
        next(provider.list_jobs(cursor="/v3/candidates?cursor=x"))
    with pytest.raises(UnreadableResponse):
        next(provider.list_jobs(cursor="https://evil.example/v3/jobs"))


def test_lists_filter_by_change_time(
    provider: Provider, bench: ProviderBench, sandbox: Sandbox
) -> None:
    application = find_application(provider)
    bench.clock.time += 3600
    since = bench.clock.as_datetime() - timedelta(minutes=5)
    assert [p.records for p in provider.list_jobs(updated_after=since)] == [()]
    sandbox.run_mutation("rename_job", job_id=application.job_id, name="Renamed")
    sandbox.run_mutation("reject_application", application_id=application.id)
    (jobs,) = provider.list_jobs(updated_after=since)
    assert [job.name for job in jobs.records] == ["Renamed"]
    (changed,) = provider.list_applications(changed_after=since)
    assert [record.id for record in changed.records] == [application.id]
    assert changed.records[0].status == "rejected"


# -- single records ----------------------------------------------------------------------------
def test_single_records_match_lists(provider: Provider) -> None:
    application = find_application(provider)
    assert application.job_id is not None
    assert provider.get_application(application.id) == application
    assert provider.get_job(application.job_id).id == application.job_id
    assert provider.get_candidate(application.candidate_id).id == application.candidate_id
    (user,) = find_users(provider, "Ada")
    assert provider.get_user(user).name.startswith("Ada")
    stages = provider.list_stages_for_job(application.job_id)
    assert provider.get_stage(stages[0].id) == stages[0]
    assert [stage.order for stage in stages] == sorted(stage.order for stage in stages)
    assert application.stage_id in {stage.id for stage in stages}


@pytest.mark.parametrize(
    "call", ["get_user", "get_job", "get_application", "get_candidate", "get_stage"]
)
def test_missing_record_is_not_found(provider: Provider, call: str) -> None:
    with pytest.raises(NotFound) as caught:
        getattr(provider, call)(987654321012)
    assert "987654321012" not in repr(caught.value.evidence)


def test_records_of_a_job(provider: Provider) -> None:
    jobs = [job for page in provider.list_jobs() for job in page.records]
    posts = [post for page in provider.list_job_posts() for post in page.records]
    openings = [opening for page in provider.list_openings() for opening in page.records]
    openings += [opening for job in jobs for opening in job.openings or ()]
    applications = [a for page in provider.list_applications() for a in page.records]
    for job in jobs[:8]:
        post_ids = {post.id for post in posts if post.job_id == job.id}
        assert {post.id for post in provider.list_posts_for_job(job.id)} == post_ids
        assert {opening.id for opening in provider.list_openings_for_job(job.id)} == {
            opening.id for opening in openings if opening.job_id == job.id
        }
        listed = {a.id for page in provider.list_applications_for_job(job.id) for a in page.records}
        on_job = {a.id for a in applications if a.job_id == job.id}
        related = {a.id for a in applications if job.id in a.prospective_job_ids}
        assert on_job <= listed <= on_job | related


def test_attachments_can_be_downloaded(provider: Provider) -> None:
    for page in provider.list_candidates():
        for candidate in page.records[:20]:
            for file in provider.list_attachments(candidate.id):
                assert provider.download_file(file.url, max_bytes=100_000)
                for refused in (file.url + "0", "http://127.0.0.1:1/"):
                    with pytest.raises(FileRefused):
                        provider.download_file(refused, max_bytes=100_000)
                with pytest.raises(FileRefused):
                    provider.download_file(file.url, max_bytes=10)
                return
    pytest.fail("no candidate of the sandbox has a file")


# -- writes ------------------------------------------------------------------------------------
def test_advance_moves_to_next_stage(provider: Provider) -> None:
    (ada,) = find_users(provider, "Ada")
    application = find_application(provider)
    assert application.job_id is not None
    stages = [s.id for s in provider.list_stages_for_job(application.job_id) if s.active]
    receipt = provider.advance_application(
        application.id, seen=application.seen_stage, acting_user_id=ada
    )
    assert receipt.application is not None
    assert receipt.application.stage_id == stages[stages.index(application.stage_id or 0) + 1]
    assert provider.get_application(application.id) == receipt.application


def test_move_goes_to_given_stage(provider: Provider) -> None:
    (ada,) = find_users(provider, "Ada")
    application = find_application(provider)
    last = [s for s in provider.list_stages_for_job(application.job_id or 0) if s.active][-1]
    receipt = provider.move_application(
        application.id, seen=application.seen_stage, to_stage_id=last.id, acting_user_id=ada
    )
    assert receipt.application is not None
    assert receipt.application.stage_id == last.id


def test_transfer_goes_to_other_job(provider: Provider) -> None:
    (ada,) = find_users(provider, "Ada")
    application = find_application(provider)
    other = next(
        job.id
        for page in provider.list_jobs()
        for job in page.records
        if job.status == "open" and not job.confidential
        if job.id != application.job_id
    )
    receipt = provider.transfer_application(
        application.id, seen=application.seen_stage, to_job_id=other, acting_user_id=ada
    )
    assert receipt.application is not None
    assert receipt.application.job_id == other


def test_reject_and_unreject(provider: Provider) -> None:
    (ada,) = find_users(provider, "Ada")
    application, reason = find_application(provider), find_reason(provider)
    template = next(
        (
            t.id
            for page in provider.list_email_templates()
            for t in page.records
            if "reject" in t.type
        ),
        None,
    )
    rejected = provider.reject_application(
        application.id,
        reason_id=reason,
        notes="Thank you",
        email=RejectionEmail(template_id=template) if template else None,
        acting_user_id=ada,
    ).application
    assert rejected is not None
    assert (rejected.status, rejected.rejection_reason_id) == ("rejected", reason)
    restored = provider.unreject_application(application.id, acting_user_id=ada).application
    assert restored is not None
    assert restored.status == "active"


def test_update_changes_the_recruiter(provider: Provider) -> None:
    ada, sam = find_users(provider, "Ada", "Sam")
    application = find_application(provider)
    changed = provider.update_application(
        application.id, changes=ApplicationChanges(recruiter_id=sam), acting_user_id=ada
    ).application
    assert changed is not None
    assert changed.recruiter_id == sam


def _custom_fields(provider: Provider) -> dict[str, CustomField]:
    return {field.key: field for page in provider.list_custom_fields() for field in page.records}


def test_custom_fields_have_options(
    provider: Provider,
) -> None:
    fields = _custom_fields(provider)
    assert {field.belongs_to for field in fields.values()} == {"application"}
    shown = {key for key, field in fields.items() if field.active and not field.private}
    assert {"notice_period", "languages", "available_from", "salary_expectation"} <= shown
    assert not {"fax_number", "panels_concerns"} & shown
    notice = fields["notice_period"]
    assert (notice.type, notice.required) == ("single_select", True)
    assert [option.name for option in notice.options] == ["None", "2 weeks", "1 month", "3 months"]
    assert fields["available_from"].options == ()


def test_update_sets_and_clears_custom_fields(provider: Provider) -> None:
    (ada,) = find_users(provider, "Ada")
    fields = _custom_fields(provider)
    ids = {option.name: option.id for field in fields.values() for option in field.options}
    values = {
        "notice_period": (ids["3 months"], "3 months"),
        "languages": ([ids["French"], ids["English"]], ["French", "English"]),
        "available_from": ("2027-03-01", "2027-03-01"),
        "right_to_work_checked": (False, False),
        "years_in_the_field": (7.5, 7.5),
        "agency_reference": ("AB-1", "AB-1"),
        "screening_notes": ("Two\nlines", "Two\nlines"),
    }
    application = find_application(provider)
    sent = {key: value for key, (value, _) in values.items()}
    shown = {key: value for key, (_, value) in values.items()}
    for changes, expected in ((sent, shown), (dict.fromkeys(values), dict.fromkeys(values))):
        receipt = provider.update_application(
            application.id, changes=ApplicationChanges(custom_fields=changes), acting_user_id=ada
        )
        assert receipt.application is not None
        received = receipt.application.custom_fields  # a field without a value may be absent
        assert {key: received.get(key) for key in expected} == expected
        assert provider.get_application(application.id) == receipt.application


def test_wrong_custom_field_value_is_invalid(provider: Provider) -> None:
    (ada,) = find_users(provider, "Ada")
    application = find_application(provider)
    with pytest.raises(InvalidValues):
        provider.update_application(
            application.id,
            changes=ApplicationChanges(custom_fields={"available_from": "soon"}),
            acting_user_id=ada,
        )


def test_stale_stage_is_a_conflict(provider: Provider, sandbox: Sandbox) -> None:
    (ada,) = find_users(provider, "Ada")
    application = find_application(provider)
    sandbox.run_mutation("move_application", application_id=application.id)
    with pytest.raises(Conflict):
        provider.advance_application(
            application.id, seen=application.seen_stage, acting_user_id=ada
        )
    now = provider.get_application(application.id)
    assert provider.advance_application(now.id, seen=now.seen_stage, acting_user_id=ada).application


def test_repeated_action_is_a_conflict(provider: Provider, sandbox: Sandbox) -> None:
    (ada,) = find_users(provider, "Ada")
    application, reason = find_application(provider), find_reason(provider)
    with pytest.raises(Conflict):
        provider.unreject_application(application.id, acting_user_id=ada)
    sandbox.run_mutation("reject_application", application_id=application.id)
    with pytest.raises(Conflict):
        provider.reject_application(application.id, reason_id=reason, acting_user_id=ada)
    with pytest.raises(Conflict):
        provider.advance_application(
            application.id, seen=application.seen_stage, acting_user_id=ada
        )


def test_advance_without_stage_sends_nothing(provider: Provider, bench: ProviderBench) -> None:
    before = len(bench.calls)
    with pytest.raises(Conflict):
        provider.advance_application(5, seen=SeenStage(stage_id=None), acting_user_id=1)
    assert len([call for call in bench.calls[before:] if call.method != "GET"]) == 0


def test_unknown_rejection_reason_is_invalid(provider: Provider) -> None:
    (ada,) = find_users(provider, "Ada")
    with pytest.raises(InvalidValues) as caught:
        provider.reject_application(find_application(provider).id, reason_id=1, acting_user_id=ada)
    assert "rejection_reason_id" in caught.value.fields


def test_user_without_permission_is_refused(provider: Provider) -> None:
    basil, dana = find_users(provider, "Basil", "Dana")
    application = find_application(provider)
    for user in (basil, dana, 987654):
        with pytest.raises(ActingUserRefused) as caught:
            provider.advance_application(
                application.id, seen=application.seen_stage, acting_user_id=user
            )
        # Without consent the user is refused before Greenhouse is asked.
        assert caught.value.evidence is not None or provider.kind == "harvest_partner"
    assert provider.get_application(application.id) == application


def test_action_on_deleted_application_is_not_found(provider: Provider, sandbox: Sandbox) -> None:
    (ada,) = find_users(provider, "Ada")
    application = find_application(provider)
    sandbox.run_mutation("delete_application", application_id=application.id)
    with pytest.raises(NotFound):
        provider.unreject_application(application.id, acting_user_id=ada)


# -- the credential ----------------------------------------------------------------------------
def test_valid_credential_is_accepted(provider: Provider) -> None:
    provider.verify_credential()
    sample = provider.get_account_sample()
    assert sample.user_ids
    assert sample.job_ids


def test_wrong_credential_is_refused_without_leak(bench: ProviderBench) -> None:
    kind = bench.provider.kind
    wrong = {name: f"{value[:-4]}wrong" for name, value in SECRETS[kind].items()}
    other = open_provider_bench(
        kind, bench.context.api_url, bench.clock, secrets=wrong, token_stores=UnknownConsents()
    )
    with pytest.raises(BadCredential) as caught:
        other.provider.verify_credential()
    text = repr((caught.value, caught.value.evidence, other.calls))
    assert not any(value in text for value in wrong.values())


def test_permission_probes_write_nothing(
    provider: Provider, bench: ProviderBench, sandbox: Sandbox
) -> None:
    before, state = len(bench.calls), sandbox.count_records()
    permissions = [permission.key for permission in CATALOGUE.list_permissions(provider.kind)]
    probes = list(provider.probe_permissions(permissions))
    assert sorted(probe.permission for probe in probes) == sorted(permissions)
    assert {probe.outcome for probe in probes} == {ProbeOutcome.GRANTED}
    assert all(probe.evidence is not None for probe in probes)
    assert len(bench.calls) - before <= len(permissions)
    assert sandbox.count_records() == state


def test_probes_report_only_missing_permissions(bench: ProviderBench, sandbox: Sandbox) -> None:
    kind = bench.provider.kind
    for lacking in ("applications.reject", "users.list", "rejection_reasons.list"):
        other = _reopen_without(bench, lacking)
        permissions = [permission.key for permission in CATALOGUE.list_permissions(kind)]
        probes = list(other.provider.probe_permissions(permissions))
        missing = {probe.permission for probe in probes if probe.outcome is ProbeOutcome.MISSING}
        same_scope = {
            permission.key
            for permission in CATALOGUE.list_permissions(kind)
            if permission.scope == CATALOGUE.get(lacking, kind).scope
        }
        assert missing == (same_scope if kind in CATALOGUE.scope_kinds else {lacking})
        assert other.provider.probe_permission(lacking).outcome is ProbeOutcome.MISSING
        assert other.provider.probe_permission("jobs.list").outcome is ProbeOutcome.GRANTED


def test_list_names_its_missing_permission(bench: ProviderBench, sandbox: Sandbox) -> None:
    other = _reopen_without(bench, "jobs.list")
    with pytest.raises(MissingPermission) as caught:
        list(other.provider.list_jobs())
    other.provider.verify_credential()
    assert caught.value.permission == "jobs.list"


def test_write_names_its_missing_permission(bench: ProviderBench, sandbox: Sandbox) -> None:
    application = find_application(bench.provider)
    (ada,) = find_users(bench.provider, "Ada")
    other = _reopen_without(bench, "applications.unreject")
    with pytest.raises(MissingPermission) as caught:
        other.provider.unreject_application(application.id, acting_user_id=ada)
    assert caught.value.permission == "applications.unreject"


def test_unknown_permission_is_unclear(provider: Provider) -> None:
    assert provider.probe_permission("moon.land").outcome is ProbeOutcome.UNCLEAR


def _reopen_without(bench: ProviderBench, permission: str) -> ProviderBench:
    """A provider of the same kind whose credential lacks this permission."""
    kind, sandbox = bench.provider.kind, bench.sandbox
    scope = CATALOGUE.get(permission, kind).scope
    secrets, scopes = SECRETS[kind], None
    if kind == "harvest_key":
        secrets = {"api_key": sandbox.credentials.create_key(without=[permission]).secret}
    elif kind == "harvest_partner":
        scopes = CATALOGUE.list_scopes(kind) - {scope}
    else:
        client = sandbox.credentials.create_client(without=[scope])
        secrets = {"client_id": client.client_id, "client_secret": client.client_secret}
    return open_provider_bench(kind, sandbox.url, bench.clock, secrets=secrets, scopes=scopes)


# -- the call log and the registry -------------------------------------------------------------
def test_call_log_is_complete_without_ids(
    provider: Provider, bench: ProviderBench, sandbox: Sandbox
) -> None:
    application = find_application(provider)
    (ada,) = find_users(provider, "Ada")
    provider.advance_application(application.id, seen=application.seen_stage, acting_user_id=ada)
    consenting = (
        bench.context.token_stores.request_count
        if isinstance(bench.context.token_stores, ConsentStore)
        else 0
    )
    assert len(bench.calls) == len(list(sandbox.requests)) - consenting
    text = msgspec.json.encode(bench.calls).decode()
    for secret in (*SECRETS[provider.kind].values(), str(application.id), str(ada)):
        assert secret not in text
    assert {call.error for call in bench.calls} == {""}


def test_registry_opens_provider_by_kind(bench: ProviderBench) -> None:
    kind = bench.provider.kind
    provider = create_provider(kind, SECRETS[kind], bench.context)
    provider.verify_credential()


def test_every_error_derives_from_ats_error() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    exceptions = [cls for cls in classes if issubclass(cls, Exception)]
    assert len(exceptions) > 10
    assert all(issubclass(cls, AtsError) for cls in exceptions)


def test_granted_scopes_are_reported_for_oauth(bench: ProviderBench, provider: Provider) -> None:
    granted = provider.get_granted_scopes()
    if provider.kind == "harvest_key":
        assert granted is None
    else:
        assert {p.scope for p in CATALOGUE.list_permissions(provider.kind)} <= granted
        assert "harvest:referrers:list" in granted
