"""What the list is ordered by: counted for jobs that changed, and private people never count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Count

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection
from portal.jobs import tally, tasks
from portal.jobs.models import Tally
from portal.mirror import sync
from portal.mirror.empty import empty
from portal.mirror.models import Application, Job, StageName
from portal.mirror.sync import Scope
from tests.cast import Cast
from tests.factories import ConnectionFactory, OrganizationFactory
from tests.portal.applications.clicking import an_application, click
from tests.portal.entitlements import world
from tests.portal.webhooks.conftest import PAGE, Hook, shown_secret

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 3, 1, tzinfo=UTC)
LATELY = datetime(2026, 9, 1, tzinfo=UTC)


def _application(job: Job, *, private: bool = False, gone: bool = False, **fields):
    of = world.candidate(job.connection, private=private, gone=gone)
    return world.application(job, of, **fields)


def _numbers(job: Job) -> tuple[int, datetime | None]:
    return Job.objects.values_list("active_applications", "waiting_since").get(pk=job.pk)


@pytest.fixture
def job() -> Job:
    return world.job(ConnectionFactory(state="live"))


def test_active_applications_that_may_be_shown_are_counted(job: Job) -> None:
    _application(job, applied_at=LONG_AGO, last_activity_at=LATELY)
    _application(job, applied_at=LONG_AGO)
    _application(job, applied_at=LONG_AGO, status="rejected")
    for hidden in ({"private": True}, {"gone": True}):
        _application(job, applied_at=datetime(2020, 1, 1, tzinfo=UTC), **hidden)
    world.application(job, None, applied_at=datetime(2020, 1, 1, tzinfo=UTC))
    tally.count(job.connection)
    assert _numbers(job) == (2, LONG_AGO)


def test_who_turns_private_no_longer_counts(job: Job, later) -> None:
    application = _application(job, applied_at=LONG_AGO)
    tally.count(job.connection)
    later(3600)
    candidate = application.candidate
    candidate.private, candidate.changed_at = True, datetime.now(UTC)
    candidate.save()
    assert tally.count(job.connection) == 1
    assert _numbers(job) == (0, None)


def test_only_jobs_that_changed_are_counted_again(job: Job, later) -> None:
    world.job(job.connection)
    assert tally.count(job.connection) == 2
    later(3600)
    assert tally.count(job.connection) == 0
    _application(job, applied_at=LATELY)
    assert tally.count(job.connection) == 1
    assert _numbers(job) == (1, LATELY)


def test_change_committed_late_is_counted(job: Job, later) -> None:
    """A change is stamped before its transaction commits."""
    application = _application(job, applied_at=LATELY)
    later(3600)
    tally.count(job.connection)
    stamped = datetime.now(UTC) - timedelta(minutes=4)
    Application.objects.filter(pk=application.pk).update(status="rejected", changed_at=stamped)
    assert tally.count(job.connection) == 1
    assert _numbers(job) == (0, None)


def _in_stages(job: Job) -> dict[str, int]:
    return dict(job.stage_tallies.values_list("stage__name", "active"))


def test_active_applications_are_counted_by_the_names_of_stages(job: Job, later) -> None:
    phone, again, offer = (world.stage(job, name) for name in ("Phone", "Phone", "Offer"))
    moved = _application(job, applied_at=LATELY, stage=phone)
    _application(job, applied_at=LATELY, stage=again)
    _application(job, applied_at=LATELY, stage=offer, status="hired")
    _application(job, applied_at=LATELY, stage=offer, private=True)
    _application(job, applied_at=LATELY)  # in no stage
    tally.count(job.connection)
    assert _in_stages(job) == {"Phone": 2}
    later(3600)
    moved.stage, moved.changed_at = offer, datetime.now(UTC)
    moved.save()
    tally.count(job.connection)
    assert _in_stages(job) == {"Phone": 1, "Offer": 1}
    later(3600)
    again.name, again.changed_at = "Call", datetime.now(UTC)
    again.save()
    tally.count(job.connection)
    assert _in_stages(job) == {"Call": 1, "Offer": 1}


def test_two_organizations_with_stages_of_one_name_are_counted_apart(job: Job) -> None:
    other = world.job(
        ConnectionFactory(organization=OrganizationFactory(name="Other"), state="live")
    )
    for one in (job, other):
        _application(one, stage=world.stage(one, "Phone"))
        tally.count(one.connection)
    names = {tally.stage for one in (job, other) for tally in one.stage_tallies.all()}
    assert len(names) == 2
    assert {name.connection for name in names} == {job.connection, other.connection}


def test_an_emptied_mirror_keeps_no_name_of_a_stage(job: Job) -> None:
    _application(job, stage=world.stage(job, "Project X"))
    tally.count(job.connection)
    empty(job.connection)
    assert not StageName.objects.filter(connection=job.connection).exists()


def test_without_the_right_to_applications_nothing_counts(job: Job) -> None:
    _application(job, applied_at=LATELY)
    world.checked(job.connection, missing=(world.APPLICATIONS,))
    tally.count(job.connection)
    assert _numbers(job) == (0, None)


def test_a_sync_counts_at_its_end(connect) -> None:
    connection = connect()
    assert Tally.objects.get(connection=connection).until is not None
    for job in Job.objects.filter(active_applications__gt=0)[:5]:
        active = job.applications.filter(status="active", candidate__private=False)
        assert active.count() == job.active_applications


# -- what left a requisition ---------------------------------------------------------------------
Way = Callable[[Connection, Sandbox, Application, Job], object]


@pytest.fixture(params=["click", "web hook", "sync of what changed", "sync of everything"])
def transfer(request: pytest.FixtureRequest, cast: Cast, sign_in, work) -> Way:
    """Move an application to another requisition, and have the portal learn of it in this way."""

    def by_click(connection: Connection, sandbox: Sandbox, one: Application, to: Job) -> None:
        assert click(sign_in(cast.remy), "transfer", one, to_job=to.pk).status_code == 200

    def in_greenhouse(connection: Connection, sandbox: Sandbox, one: Application, to: Job) -> None:
        hook = Hook(connection, shown_secret(sign_in(cast.ada).post(f"{PAGE}secret/")))
        sandbox.mutate("transfer_application", application_id=one.remote_id, job_id=to.remote_id)
        if request.param == "web hook":
            hook.about(one.remote_id)
        else:
            full = request.param == "sync of everything"
            sync.request(connection, Scope.FULL if full else Scope.RECENT)

    return by_click if request.param == "click" else in_greenhouse


def _counted() -> dict[int, tuple[int, dict[str, int]]]:
    return {job.pk: (job.active_applications, _in_stages(job)) for job in Job.objects.all()}


def _true() -> dict[int, tuple[int, dict[str, int]]]:
    shown = Application.objects.filter(
        status="active", gone_at=None, candidate__private=False, candidate__gone_at=None
    )
    found = {}
    for job in Job.objects.all():
        stages = shown.filter(job=job, stage__isnull=False).order_by().values_list("stage__name")
        found[job.pk] = shown.filter(job=job).count(), dict(stages.annotate(Count("pk")))
    return found


def test_a_requisition_that_somebody_left_is_counted_again(
    connect, sandbox: Sandbox, transfer: Way, work, later
) -> None:
    connection = connect()
    one = an_application()
    mine = Job.objects.filter(grants__user__primary_email="remy@acme.example", status="open")
    to = mine.exclude(pk=one.job_id).filter(stages__isnull=False, confidential=False).first()
    assert to is not None
    later(3600)
    tasks.tally_all()  # what the first sync brought is long known
    later(3600)
    before = Job.objects.get(pk=one.job_id).active_applications
    transfer(connection, sandbox, one, to)
    work()
    tasks.tally_all()
    left = Job.objects.get(pk=one.job_id)
    one.refresh_from_db()
    assert one.job == to
    assert left.active_applications == before - 1
    assert _counted() == _true()


def test_after_everything_was_read_all_are_counted(connect, work, later) -> None:
    connection = connect()
    Job.objects.update(active_applications=99)
    later(24 * 3600)
    sync.request(connection, Scope.FULL)
    work()
    assert _counted() == _true()
