"""Who was anonymised or deleted in Greenhouse stays erased here, whatever comes late."""

from __future__ import annotations

import pytest
from django.utils import timezone

from integrations.ats.wiring import Lane
from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.connections.open import open_provider
from portal.mirror import single, sync, write
from portal.mirror.models import Application, Candidate, SyncRun
from portal.mirror.single import Kind
from portal.mirror.upsert import asked_at
from portal.privacy.tasks import forget_old
from tests.cast import Cast

DEEDS = ("anonymize_candidate", "delete_candidate")


@pytest.fixture
def application(connect, kind: str) -> Application:
    """One with answers, of a candidate who works somewhere."""
    connect(kind)
    rows = Application.objects.select_related("candidate", "connection")
    return next(one for one in rows if one.answers and one.candidate.company)


def _nothing_is_left_of(application: Application) -> bool:
    application.refresh_from_db()
    person = Candidate.objects.get(pk=application.candidate_id)
    told = (person.first_name, person.last_name, person.company, person.title)
    return not any(told) and application.answers == [] and person.erased_at is not None


@pytest.mark.parametrize("deed", DEEDS)
def test_an_answer_that_was_long_under_way_brings_nothing_back(
    application: Application, sandbox: Sandbox, work, deed: str
) -> None:
    connection, person = application.connection, application.candidate
    provider = open_provider(connection.credential, lane=Lane.SYNC)
    asked = timezone.now()
    late = provider.get_application(application.remote_id)
    late_person = provider.get_candidate(person.remote_id)
    sandbox.mutate(deed, candidate_id=person.remote_id)
    single.ask(connection, Kind.CANDIDATE, person.remote_id)
    work()
    assert _nothing_is_left_of(application)
    with asked_at(asked):  # a sync's pages
        write.candidates(connection, [late_person])
        write.applications(connection, [late])
    assert _nothing_is_left_of(application)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_candidate_erased_while_being_read_stays_erased(
    application: Application, sandbox: Sandbox, work, meanwhile, kind: str, deed: str
) -> None:
    """The older answer comes in when the newer one has been written."""
    connection, person = application.connection, application.candidate
    path = f"/v1/candidates/{person.remote_id}" if kind == "harvest_key" else "/v3/candidates"

    def erased() -> None:
        sandbox.mutate(deed, candidate_id=person.remote_id)
        single.refresh_candidate(connection, person.remote_id)

    meanwhile(path, erased)
    single.ask(connection, Kind.CANDIDATE, person.remote_id)
    work()
    assert _nothing_is_left_of(application)


def test_what_greenhouse_still_tells_of_an_anonymised_person_is_not_taken(
    application: Application, sandbox: Sandbox, work
) -> None:
    """Which fields an anonymising takes is the customer's choice: answers and company may stay."""
    connection, person = application.connection, application.candidate
    world = sandbox.world()
    answers = world.applications.get(application.remote_id).answers
    company = world.candidates.get(person.remote_id).company
    sandbox.mutate("anonymize_candidate", candidate_id=person.remote_id)
    world.change(world.applications.get(application.remote_id), answers=answers)
    world.change(world.candidates.get(person.remote_id), company=company)
    single.ask(connection, Kind.CANDIDATE, person.remote_id)
    single.ask(connection, Kind.APPLICATION, application.remote_id)
    work()
    assert _nothing_is_left_of(application)
    sync.request(connection, SyncRun.Scope.FULL)
    work()
    assert _nothing_is_left_of(application)


@pytest.mark.parametrize("way", ["asked for", "full sync"])
def test_what_a_merge_moved_to_another_person_is_not_erased_with_the_one_who_is_gone(
    application: Application, cast: Cast, sandbox: Sandbox, work, way: str
) -> None:
    connection, gone = application.connection, application.candidate
    survivor = Candidate.objects.exclude(pk=gone.pk).filter(private=False, gone_at=None).last()
    held = ApplicationAction.objects.create(
        application=application, kind="reject", membership=cast.ada, status="held", notes="No Rust"
    )
    answers = application.answers
    sandbox.mutate("merge_candidate", candidate_id=gone.remote_id, into_id=survivor.remote_id)
    if way == "full sync":
        sync.request(connection, SyncRun.Scope.FULL)
    else:
        single.ask(connection, Kind.CANDIDATE, gone.remote_id)
    work()
    for row in (application, held, gone):
        row.refresh_from_db()
    assert (application.candidate, application.answers) == (survivor, answers)
    assert held.notes == "No Rust"
    assert (gone.last_name, gone.erased_at is not None) == ("", True)


def test_who_was_found_gone_by_a_sync_that_stopped_half_way_is_erased_within_two_nights(
    application: Application, sandbox: Sandbox, work, later, quick_retries: None
) -> None:
    connection, gone = application.connection, application.candidate
    sandbox.mutate("delete_candidate", candidate_id=gone.remote_id)
    generation = "v1" if connection.credential.kind == "harvest_key" else "v3"
    sandbox.faults.add(f"/{generation}/applications", status=500, times=None)
    run = sync.request(connection, SyncRun.Scope.FULL)
    work()
    run.refresh_from_db()
    gone.refresh_from_db()
    assert (run.status, gone.erased_at) == (SyncRun.Status.FAILED, None)
    assert gone.gone_at is not None
    later(25 * 60 * 60)
    forget_old()
    assert _nothing_is_left_of(application)
