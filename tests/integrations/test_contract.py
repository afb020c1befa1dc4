"""The promises of `integrations.ats.port.Provider`, the same for every generation of Harvest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    BadCredential,
    Conflict,
    Invalid,
    MissingPermission,
    NotFound,
    UnreadableAnswer,
)
from integrations.ats.permissions import Outcome
from integrations.ats.port import Provider
from integrations.ats.registry import KINDS, open_provider
from integrations.ats.types import (
    Application,
    ApplicationChanges,
    CustomField,
    RejectionEmail,
    SeenStage,
)
from integrations.greenhouse.catalogue import CATALOGUE
from integrations.greenhouse.sandbox import Sandbox
from tests.integrations.greenhouse.hand import (
    SECRETS,
    Bench,
    Consented,
    HandClock,
    Strange,
    open_on,
    sandbox_on,
)


@pytest.fixture(params=sorted(KINDS))
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    clock = HandClock()
    with sandbox_on(clock, seed=7, jobs=20) as sandbox:
        bench = open_on(request.param, sandbox.url, clock)
        bench.sandbox = sandbox
        yield bench


@pytest.fixture
def provider(bench: Bench) -> Provider:
    return bench.provider


@pytest.fixture
def sandbox(bench: Bench) -> Sandbox:
    found: Sandbox = bench.sandbox
    return found


def users_named(provider: Provider, *names: str) -> list[int]:
    every = [user for page in provider.list_users() for user in page.records]
    return [next(u.id for u in every if u.name.startswith(name)) for name in names]


def an_application(provider: Provider, status: str = "active", job: int = 0) -> Application:
    """One that can move on: on a job, in its first stages."""
    first = {
        stage.id
        for page in provider.list_stages()
        for stage in page.records
        if stage.order == 0 and stage.active
    }
    return next(
        one
        for page in provider.list_applications()
        for one in page.records
        if one.status == status and one.job_id and (job in (0, one.job_id))
        if status != "active" or one.stage_id in first
    )


def a_reason(provider: Provider) -> int:
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
def test_a_list_gives_every_record_once(
    provider: Provider, sandbox: Sandbox, call: str, table: str
) -> None:
    pages = list(getattr(provider, call)())
    ids = [record.id for page in pages for record in page.records]
    assert len(ids) == len(set(ids)) == sandbox.stats()[table]
    assert all(page.set_aside == () for page in pages)
    assert pages[-1].cursor is None


def test_people_team_and_openings_are_the_same_wherever_they_stand(
    provider: Provider, sandbox: Sandbox
) -> None:
    stats = sandbox.stats()
    jobs = [job for page in provider.list_jobs() for job in page.records]
    team = [one for page in provider.list_hiring_team() for one in page.records]
    team += [one for job in jobs for one in job.hiring_team or ()]
    openings = [one for page in provider.list_openings() for one in page.records]
    openings += [one for job in jobs for one in job.openings or ()]
    users = [user for page in provider.list_users() for user in page.records]
    addresses = {
        (e.user_id, e.address) for page in provider.list_user_emails() for e in page.records
    }
    addresses |= {(user.id, address) for user in users for address in user.emails}
    assert len(team) == stats["team_members"]
    assert len(openings) == stats["openings"]
    assert len(addresses) == stats["user_emails"]
    assert "Dana Diaz" in {user.name for user in users if user.site_admin and user.deactivated}


def test_each_generation_shows_the_same_requisitions(provider: Provider, sandbox: Sandbox) -> None:
    jobs = [job for page in provider.list_jobs() for job in page.records]
    stats = sandbox.stats()
    shown = [job for job in jobs if not job.is_template]
    assert (
        sum(job.status == "open" for job in shown) == stats["jobs_not_template_by_status"]["open"]
    )
    assert sum(job.confidential for job in jobs) == stats["jobs_confidential"]


def test_only_the_grants_of_the_asked_users_come(provider: Provider) -> None:
    remy, vic, basil = users_named(provider, "Remy", "Vic", "Basil")
    pages = list(provider.job_permissions(user_ids=[remy, vic, basil, vic]))
    grants = [grant for page in pages for grant in page.records]
    assert {grant.user_id for grant in grants} == {remy, vic}
    assert len({grant.id for grant in grants}) == len(grants)
    assert pages[-1].cursor is None
    assert [p.records for p in provider.job_permissions(user_ids=[])] == [()]
    assert list(provider.future_job_permissions(user_ids=[remy, vic]))[-1].cursor is None


def test_a_cursor_takes_a_list_up_where_it_was_left(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("harvest_v1", "harvest_v3"):
        monkeypatch.setattr(f"integrations.greenhouse.{name}.PER_PAGE", "7")
    monkeypatch.setattr("integrations.greenhouse.harvest_v1._LIST", {"per_page": "7"})
    whole = [page.records for page in provider.list_applications()]
    assert len(whole) > 20
    first = next(provider.list_applications())
    rest = [page.records for page in provider.list_applications(cursor=first.cursor)]
    assert [first.records, *rest] == whole


def test_grants_are_taken_up_too(provider: Provider) -> None:
    users = [user.id for page in provider.list_users() for user in page.records]
    whole = list(provider.job_permissions(user_ids=users))
    for place, page in enumerate(whole[:-1]):
        rest = list(provider.job_permissions(user_ids=users, cursor=page.cursor))
        assert rest == whole[place + 1 :]


def test_a_cursor_of_another_list_is_refused(provider: Provider, bench: Bench) -> None:
    with pytest.raises(UnreadableAnswer):
        next(provider.list_jobs(cursor="/v3/candidates?cursor=x"))
    with pytest.raises(UnreadableAnswer):
        next(provider.list_jobs(cursor="https://evil.example/v3/jobs"))


def test_only_what_changed_since_comes(provider: Provider, bench: Bench, sandbox: Sandbox) -> None:
    application = an_application(provider)
    bench.clock.time += 3600
    since = bench.clock.as_datetime() - timedelta(minutes=5)
    assert [p.records for p in provider.list_jobs(updated_after=since)] == [()]
    sandbox.mutate("rename_job", job_id=application.job_id, name="Renamed")
    sandbox.mutate("reject_application", application_id=application.id)
    (jobs,) = provider.list_jobs(updated_after=since)
    assert [job.name for job in jobs.records] == ["Renamed"]
    (changed,) = provider.list_applications(changed_after=since)
    assert [one.id for one in changed.records] == [application.id]
    assert changed.records[0].status == "rejected"


# -- single records ----------------------------------------------------------------------------
def test_single_records_are_those_of_the_lists(provider: Provider) -> None:
    application = an_application(provider)
    assert application.job_id is not None
    assert provider.get_application(application.id) == application
    assert provider.get_job(application.job_id).id == application.job_id
    assert provider.get_candidate(application.candidate_id).id == application.candidate_id
    (user,) = users_named(provider, "Ada")
    assert provider.get_user(user).name.startswith("Ada")
    stages = provider.stages_of_job(application.job_id)
    assert provider.get_stage(stages[0].id) == stages[0]
    assert [stage.order for stage in stages] == sorted(stage.order for stage in stages)
    assert application.stage_id in {stage.id for stage in stages}


@pytest.mark.parametrize(
    "call", ["get_user", "get_job", "get_application", "get_candidate", "get_stage"]
)
def test_what_is_not_there_is_not_found(provider: Provider, call: str) -> None:
    with pytest.raises(NotFound) as caught:
        getattr(provider, call)(987654321012)
    assert "987654321012" not in repr(caught.value.evidence)


def test_what_belongs_to_a_job(provider: Provider) -> None:
    jobs = [job for page in provider.list_jobs() for job in page.records]
    posts = [post for page in provider.list_job_posts() for post in page.records]
    for job in jobs[:8]:
        assert {p.id for p in provider.posts_of_job(job.id)} == {
            p.id for p in posts if p.job_id == job.id
        }
        post = provider.post_of_job(job.id)
        assert post is None or post.job_id == job.id
        assert all(opening.job_id == job.id for opening in provider.openings_of_job(job.id))
        mine = [one for page in provider.applications_of_job(job.id) for one in page.records]
        assert all(job.id in (one.job_id, *one.prospective_job_ids) for one in mine)


def test_files_come_with_links(provider: Provider) -> None:
    for page in provider.list_candidates():
        for candidate in page.records[:20]:
            for file in provider.attachments(candidate.id):
                assert file.url.startswith("https://")
                return
    pytest.fail("no candidate of the sandbox has a file")


# -- writes ------------------------------------------------------------------------------------
def test_advance_moves_one_stage_on(provider: Provider) -> None:
    (ada,) = users_named(provider, "Ada")
    application = an_application(provider)
    assert application.job_id is not None
    order = [s.id for s in provider.stages_of_job(application.job_id) if s.active]
    receipt = provider.advance(application.id, seen=application.seen_stage, acting_user_id=ada)
    assert receipt.application is not None
    assert receipt.application.stage_id == order[order.index(application.stage_id or 0) + 1]
    assert provider.get_application(application.id) == receipt.application


def test_move_goes_to_the_named_stage(provider: Provider) -> None:
    (ada,) = users_named(provider, "Ada")
    application = an_application(provider)
    last = [s for s in provider.stages_of_job(application.job_id or 0) if s.active][-1]
    receipt = provider.move(
        application.id, seen=application.seen_stage, to_stage_id=last.id, acting_user_id=ada
    )
    assert receipt.application is not None
    assert receipt.application.stage_id == last.id


def test_transfer_goes_to_another_job(provider: Provider) -> None:
    (ada,) = users_named(provider, "Ada")
    application = an_application(provider)
    other = next(
        job.id
        for page in provider.list_jobs()
        for job in page.records
        if job.status == "open" and not job.is_template and not job.confidential
        if job.id != application.job_id
    )
    receipt = provider.transfer(
        application.id, seen=application.seen_stage, to_job_id=other, acting_user_id=ada
    )
    assert receipt.application is not None
    assert receipt.application.job_id == other


def test_reject_and_unreject(provider: Provider) -> None:
    (ada,) = users_named(provider, "Ada")
    application, reason = an_application(provider), a_reason(provider)
    template = next(
        (
            t.id
            for page in provider.list_email_templates()
            for t in page.records
            if "reject" in t.type
        ),
        None,
    )
    rejected = provider.reject(
        application.id,
        reason_id=reason,
        notes="Thank you",
        email=RejectionEmail(template_id=template) if template else None,
        acting_user_id=ada,
    ).application
    assert rejected is not None
    assert (rejected.status, rejected.rejection_reason_id) == ("rejected", reason)
    assert rejected.rejected_at is not None
    back = provider.unreject(application.id, acting_user_id=ada).application
    assert back is not None
    assert (back.status, back.rejected_at) == ("active", None)


def test_update_changes_the_recruiter(provider: Provider) -> None:
    ada, sam = users_named(provider, "Ada", "Sam")
    application = an_application(provider)
    changed = provider.update(
        application.id, changes=ApplicationChanges(recruiter_id=sam), acting_user_id=ada
    ).application
    assert changed is not None
    assert changed.recruiter_id == sam


def _custom_fields(provider: Provider) -> dict[str, CustomField]:
    return {field.key: field for page in provider.list_custom_fields() for field in page.records}


def test_the_custom_fields_of_applications_come_with_what_can_be_chosen(
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


def test_update_changes_custom_fields_of_each_type_and_empties_them(provider: Provider) -> None:
    (ada,) = users_named(provider, "Ada")
    fields = _custom_fields(provider)
    ids = {one.name: one.id for field in fields.values() for one in field.options}
    told = {
        "notice_period": (ids["3 months"], "3 months"),
        "languages": ([ids["French"], ids["English"]], ["French", "English"]),
        "available_from": ("2027-03-01", "2027-03-01"),
        "right_to_work_checked": (False, False),
        "years_in_the_field": (7.5, 7.5),
        "agency_reference": ("AB-1", "AB-1"),
        "screening_notes": ("Two\nlines", "Two\nlines"),
    }
    one = an_application(provider)
    for changes, wanted in (
        ({key: sent for key, (sent, _) in told.items()}, {k: v for k, (_, v) in told.items()}),
        (dict.fromkeys(told), dict.fromkeys(told)),
    ):
        receipt = provider.update(
            one.id, changes=ApplicationChanges(custom_fields=changes), acting_user_id=ada
        )
        assert receipt.application is not None
        assert wanted.items() <= receipt.application.custom_fields.items()
        assert provider.get_application(one.id) == receipt.application


def test_a_value_that_does_not_fit_its_custom_field_is_invalid(provider: Provider) -> None:
    (ada,) = users_named(provider, "Ada")
    one = an_application(provider)
    with pytest.raises(Invalid):
        provider.update(
            one.id,
            changes=ApplicationChanges(custom_fields={"available_from": "soon"}),
            acting_user_id=ada,
        )


def test_a_stale_screen_is_a_conflict(provider: Provider, sandbox: Sandbox) -> None:
    (ada,) = users_named(provider, "Ada")
    application = an_application(provider)
    sandbox.mutate("move_application", application_id=application.id)
    with pytest.raises(Conflict):
        provider.advance(application.id, seen=application.seen_stage, acting_user_id=ada)
    now = provider.get_application(application.id)
    assert provider.advance(now.id, seen=now.seen_stage, acting_user_id=ada).application


def test_what_was_done_already_is_a_conflict(provider: Provider, sandbox: Sandbox) -> None:
    (ada,) = users_named(provider, "Ada")
    application, reason = an_application(provider), a_reason(provider)
    with pytest.raises(Conflict):
        provider.unreject(application.id, acting_user_id=ada)
    sandbox.mutate("reject_application", application_id=application.id)
    with pytest.raises(Conflict):
        provider.reject(application.id, reason_id=reason, acting_user_id=ada)
    with pytest.raises(Conflict):
        provider.advance(application.id, seen=application.seen_stage, acting_user_id=ada)


def test_without_a_stage_nothing_is_sent(provider: Provider, bench: Bench) -> None:
    before = len(bench.calls)
    with pytest.raises(Conflict):
        provider.advance(5, seen=SeenStage(stage_id=None), acting_user_id=1)
    assert len([call for call in bench.calls[before:] if call.method != "GET"]) == 0


def test_a_reason_that_is_none_is_invalid(provider: Provider) -> None:
    (ada,) = users_named(provider, "Ada")
    with pytest.raises(Invalid) as caught:
        provider.reject(an_application(provider).id, reason_id=1, acting_user_id=ada)
    assert "rejection_reason_id" in caught.value.fields


def test_who_has_no_right_is_refused(provider: Provider) -> None:
    basil, dana = users_named(provider, "Basil", "Dana")
    application = an_application(provider)
    for user in (basil, dana, 987654):
        with pytest.raises(ActingUserRefused) as caught:
            provider.advance(application.id, seen=application.seen_stage, acting_user_id=user)
        # Whoever has not agreed is refused here, and Greenhouse is not asked.
        assert caught.value.evidence is not None or provider.kind == "harvest_partner"
    assert provider.get_application(application.id) == application


def test_an_application_that_is_gone_is_not_found(provider: Provider, sandbox: Sandbox) -> None:
    (ada,) = users_named(provider, "Ada")
    application = an_application(provider)
    sandbox.mutate("delete_application", application_id=application.id)
    with pytest.raises(NotFound):
        provider.unreject(application.id, acting_user_id=ada)


# -- the credential ----------------------------------------------------------------------------
def test_a_working_credential_is_accepted(provider: Provider) -> None:
    provider.try_credential()
    sample = provider.account_sample()
    assert sample.user_ids
    assert sample.job_ids


def test_a_wrong_credential_is_refused_in_words_without_itself(bench: Bench) -> None:
    kind = bench.provider.kind
    wrong = {name: f"{value[:-4]}wrong" for name, value in SECRETS[kind].items()}
    other = open_on(kind, bench.wiring.api_url, bench.clock, secrets=wrong, chains=Strange())
    with pytest.raises(BadCredential) as caught:
        other.provider.try_credential()
    said = repr((caught.value, caught.value.evidence, other.calls))
    assert not any(value in said for value in wrong.values())


def test_every_permission_is_proven_without_a_write_and_with_few_requests(
    provider: Provider, bench: Bench, sandbox: Sandbox
) -> None:
    before, state = len(bench.calls), sandbox.stats()
    asked = [permission.key for permission in CATALOGUE.for_kind(provider.kind)]
    found = list(provider.probe_all(asked))
    assert sorted(probe.permission for probe in found) == sorted(asked)
    assert {probe.outcome for probe in found} == {Outcome.GRANTED}
    assert all(probe.evidence is not None for probe in found)
    assert len(bench.calls) - before <= len(asked)
    assert sandbox.stats() == state


def test_each_missing_permission_is_told_and_no_other(bench: Bench, sandbox: Sandbox) -> None:
    kind = bench.provider.kind
    for lacking in ("applications.reject", "users.list", "rejection_reasons.list"):
        other = _without(bench, lacking)
        asked = [permission.key for permission in CATALOGUE.for_kind(kind)]
        found = {probe.permission: probe.outcome for probe in other.provider.probe_all(asked)}
        missing = {key for key, outcome in found.items() if outcome is Outcome.MISSING}
        same = {
            permission.key
            for permission in CATALOGUE.for_kind(kind)
            if permission.scope == CATALOGUE.get(lacking, kind).scope
        }
        assert missing == (same if kind in CATALOGUE.by_scope else {lacking})
        assert other.provider.probe(lacking).outcome is Outcome.MISSING
        assert other.provider.probe("jobs.list").outcome is Outcome.GRANTED


def test_a_list_without_its_permission_says_which(bench: Bench, sandbox: Sandbox) -> None:
    other = _without(bench, "jobs.list")
    with pytest.raises(MissingPermission) as caught:
        list(other.provider.list_jobs())
    other.provider.try_credential()
    assert caught.value.permission == "jobs.list"


def test_a_write_without_its_permission_says_which(bench: Bench, sandbox: Sandbox) -> None:
    application = an_application(bench.provider)
    (ada,) = users_named(bench.provider, "Ada")
    other = _without(bench, "applications.unreject")
    with pytest.raises(MissingPermission) as caught:
        other.provider.unreject(application.id, acting_user_id=ada)
    assert caught.value.permission == "applications.unreject"


def test_an_unknown_permission_is_unclear(provider: Provider) -> None:
    assert provider.probe("moon.land").outcome is Outcome.UNCLEAR


def _without(bench: Bench, permission: str) -> Bench:
    """A provider of the same kind whose credential lacks this permission."""
    kind, sandbox = bench.provider.kind, bench.sandbox
    scope = CATALOGUE.get(permission, kind).scope
    secrets, scopes = SECRETS[kind], None
    if kind == "harvest_key":
        secrets = {"api_key": sandbox.credentials.create_key(without=[permission]).secret}
    elif kind == "harvest_partner":
        scopes = CATALOGUE.scopes(kind) - {scope}
    else:
        client = sandbox.credentials.create_client(without=[scope])
        secrets = {"client_id": client.client_id, "client_secret": client.client_secret}
    return open_on(kind, sandbox.url, bench.clock, secrets=secrets, scopes=scopes)


# -- the log, and the seam ---------------------------------------------------------------------
def test_the_log_has_one_line_per_request_and_names_nobody(
    provider: Provider, bench: Bench, sandbox: Sandbox
) -> None:
    application = an_application(provider)
    (ada,) = users_named(provider, "Ada")
    provider.advance(application.id, seen=application.seen_stage, acting_user_id=ada)
    agreeing = bench.wiring.chains.requests if isinstance(bench.wiring.chains, Consented) else 0
    assert len(bench.calls) == len(list(sandbox.requests)) - agreeing
    written = msgspec.json.encode(bench.calls).decode()
    for secret in (*SECRETS[provider.kind].values(), str(application.id), str(ada)):
        assert secret not in written
    assert {call.error for call in bench.calls} == {""}


def test_providers_are_opened_by_their_kind(bench: Bench) -> None:
    kind = bench.provider.kind
    provider = open_provider(kind, SECRETS[kind], bench.wiring)
    provider.try_credential()


def test_every_error_is_of_one_family() -> None:
    assert issubclass(MissingPermission, AtsError)


def test_the_scopes_that_a_credential_carries_are_told_where_anything_tells(
    bench: Bench, provider: Provider
) -> None:
    granted = provider.granted_scopes()
    if provider.kind == "harvest_key":
        assert granted is None
    else:
        assert {p.scope for p in CATALOGUE.for_kind(provider.kind)} <= granted
        assert "harvest:referrers:list" in granted
