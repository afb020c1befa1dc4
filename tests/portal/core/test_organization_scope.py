"""Queries on customers' rows need an active organization, and see only its rows."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection as database
from django.db import connections
from django.db.models import Count, QuerySet, prefetch_related_objects
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from portal.accounts.models import Membership, Organization, User
from portal.connections.models import Connection
from portal.core import queue
from portal.core.broker import ticker
from portal.core.tenancy.managers import (
    OrganizationManager,
    find_owner_field,
    remember_owner,
)
from portal.core.tenancy.middleware import OrganizationScopeMiddleware
from portal.core.tenancy.query_guard import install_guard, require_scope
from portal.core.tenancy.scope import (
    OtherOrganization,
    ScopeRequired,
    all_organizations,
    enter_organization,
    get_scope,
    organization_scope,
    start_without_scope,
)
from portal.core.tenancy.shared_models import SHARED_MODELS, is_shared
from portal.issues.models import Issue
from portal.sync.models import Job, TeamMember
from tests.personas import Personas

pytestmark = pytest.mark.refused_queries
ALL_MODELS = apps.get_models(include_auto_created=True)
CUSTOMER_MODELS = [model for model in ALL_MODELS if not is_shared(model)]
# Refused without an organization like all others, but no foreign key says whose the rows are.
WITHOUT_OWNER = {
    "core.Transition": "names its row by model and ID",
    "audit.ChainHead": "outlives its organization, and one is the portal's own",
    "sync.Job_offices": "Django's own table between two customers' models",
}


@pytest.mark.parametrize("model", ALL_MODELS, ids=lambda model: model._meta.label)
def test_model_is_scoped_or_shared(model: Any) -> None:
    label = model._meta.label
    if is_shared(model):
        assert SHARED_MODELS[label]
        assert not any(
            field.is_relation and field.related_model in CUSTOMER_MODELS
            for field in model._meta.concrete_fields
        )
    elif label not in WITHOUT_OWNER:
        assert isinstance(model._default_manager, OrganizationManager)
        owner = model
        while owner is not Organization:
            owner = find_owner_field(owner).related_model
            assert owner in CUSTOMER_MODELS


def test_shared_models_exist() -> None:
    assert set(SHARED_MODELS) <= {model._meta.label for model in ALL_MODELS}


@pytest.mark.parametrize("model", CUSTOMER_MODELS, ids=lambda model: model._meta.label)
def test_model_refused_without_organization(model: Any, db: None) -> None:
    with start_without_scope():
        for manager in (model._default_manager, model._base_manager):
            with pytest.raises(ScopeRequired):
                manager.exists()


def test_no_query_is_built_at_import() -> None:
    """It would be built without an organization and then used in one."""
    found = [
        f"{name}.{attribute}"
        for name, module in list(sys.modules.items())
        if name.startswith("portal.")
        for attribute, value in vars(module).items()
        if isinstance(value, QuerySet)
    ]
    assert not found


def test_new_connection_is_guarded_once(db: None) -> None:
    opened = connections.create_connection("default")
    opened.execute_wrappers.append(lambda execute, *query: execute(*query))
    for _ in range(2):
        install_guard(opened)
    assert opened.execute_wrappers[0] is require_scope
    assert opened.execute_wrappers.count(require_scope) == 1


def _create_job(organization: Organization, remote_id: int) -> Job:
    connection, _ = Connection.objects.get_or_create(organization=organization)
    return Job.objects.create(connection=connection, remote_id=remote_id, name="Nurse")


@pytest.fixture
def acme_job(personas: Personas) -> Job:
    return _create_job(personas.ada.organization, 1)


@pytest.fixture
def other_job(personas: Personas) -> Job:
    return _create_job(personas.zoe.organization, 2)


def _run_sql() -> Any:
    with database.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sync_job")


QUERIES: dict[str, Callable[[Job], Any]] = {
    "get": lambda job: Job.objects.get(pk=job.pk),
    "exists": lambda job: Job.objects.exists(),
    "exclude": lambda job: Job.objects.exclude(pk=0).exists(),
    "count": lambda job: Job.objects.count(),
    "values": lambda job: list(Job.objects.values("name")),
    "in_bulk": lambda job: Job.objects.in_bulk([job.pk]),
    "aggregate": lambda job: Job.objects.aggregate(Count("pk")),
    "explain": lambda job: Job.objects.all().explain(),
    "iterator": lambda job: list(Job.objects.iterator()),
    "union": lambda job: list(Job.objects.all().union(Job.objects.all())),
    "base manager": lambda job: Job._base_manager.count(),
    "refresh": lambda job: job.refresh_from_db(),
    "forward": lambda job: Job(connection_id=job.connection_id).connection,
    "related manager": lambda job: list(job.team.all()),
    "many to many": lambda job: list(job.offices.all()),
    "prefetch": lambda job: prefetch_related_objects([job], "offices"),
    "join": lambda job: User.objects.filter(memberships__organization=1).exists(),
    "save": lambda job: job.save(),
    "create": lambda job: Job.objects.create(connection_id=job.connection_id, remote_id=3),
    "bulk_create": lambda job: Job.objects.bulk_create(
        [Job(connection_id=job.connection_id, remote_id=3)]
    ),
    "bulk_update": lambda job: Job.objects.bulk_update([job], ["name"]),
    "get_or_create": lambda job: Job.objects.get_or_create(pk=job.pk),
    "update": lambda job: Job.objects.update(name="x"),
    "delete": lambda job: job.delete(),
    "delete rows": lambda job: Job.objects.all().delete(),
    "cascade": lambda job: User.objects.all().delete(),
    "raw": lambda job: list(Job.objects.raw("SELECT * FROM sync_job")),
    "SQL": lambda job: _run_sql(),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_query_refused_without_organization(query: Callable[[Job], Any], acme_job: Job) -> None:
    with start_without_scope(), pytest.raises(ScopeRequired):
        query(acme_job)


READS: dict[str, Callable[[Job], Any]] = {
    "explicit filter": lambda job: Job.objects.filter(connection=job.connection_id),
    "key": lambda job: Job.objects.filter(pk=job.pk),
    "base manager": lambda job: Job._base_manager.filter(pk=job.pk),
    "reverse": lambda job: Issue.objects.filter(organization=job.connection.organization),
    "indirect": lambda job: TeamMember.objects.filter(job=job.pk),
    "ended": lambda job: Membership._base_manager.filter(
        organization=job.connection.organization_id
    ),
    "organization": lambda job: Organization.objects.filter(pk=job.connection.organization_id),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("is_connection_loaded", [False, True])
def test_other_organizations_rows_not_found(
    read: Callable[[Job], Any],
    is_connection_loaded: bool,
    personas: Personas,
    acme_job: Job,
    other_job: Job,
) -> None:
    assert other_job.connection.organization == personas.zoe.organization
    with organization_scope(personas.ada.organization_id):
        if is_connection_loaded:
            assert Connection.objects.get() == acme_job.connection
        assert not read(other_job).exists()
        assert not read(other_job).count()
        assert not read(other_job).values_list("pk")
        assert Job.objects.get() == acme_job


def test_other_organizations_rows_not_changed(
    personas: Personas, acme_job: Job, other_job: Job
) -> None:
    with organization_scope(personas.ada.organization_id):
        assert Job.objects.filter(pk=other_job.pk).update(name="x") == 0
        assert Job.objects.filter(pk=other_job.pk).delete()[0] == 0
        with pytest.raises(Job.DoesNotExist):
            other_job.refresh_from_db()
    other_job.refresh_from_db()
    assert other_job.name == "Nurse"


def test_row_of_other_organization_not_written(
    personas: Personas, acme_job: Job, other_job: Job
) -> None:
    issue = Issue(organization=personas.zoe.organization)
    with organization_scope(personas.ada.organization_id):
        Connection.objects.get()
        for write in (
            other_job.save,
            issue.save,
            lambda: Job.objects.create(connection_id=other_job.connection_id, remote_id=9),
            lambda: Job.objects.bulk_create([Job(connection=other_job.connection, remote_id=9)]),
        ):
            with pytest.raises(OtherOrganization):
                write()


def test_other_organization_refused_inside_scope(personas: Personas) -> None:
    acme, other = personas.ada.organization_id, personas.zoe.organization_id
    with organization_scope(acme):
        with pytest.raises(OtherOrganization), organization_scope(other):
            pass
        with organization_scope(acme), all_organizations("compares both"):
            assert Organization.objects.count() == 2
        assert Organization.objects.get().pk == acme


def test_update_condition_stays_on_row(personas: Personas, acme_job: Job) -> None:
    """Within a subquery it would not be compared again after waiting for another writer."""
    with (
        organization_scope(personas.ada.organization_id),
        CaptureQueriesContext(database) as queries,
    ):
        Job.objects.filter(pk=acme_job.pk, name="Nurse").update(name="Cook")
    [query] = queries
    assert 'FROM "sync_job"' not in query["sql"]


def test_condition_ends_at_known_connection(personas: Personas, acme_job: Job) -> None:
    """PostgreSQL knows how many rows a connection has; through a join it would have to guess."""
    with organization_scope(personas.ada.organization_id):
        sql = str(TeamMember.objects.all().query)
        assert "connections_connection" in sql
        remember_owner(Connection.objects.get(pk=acme_job.connection_id))
        with CaptureQueriesContext(database) as queries:
            assert not TeamMember.objects.exists()
    assert "sync_job" in queries[0]["sql"]
    assert "connections_connection" not in queries[0]["sql"]


def test_thread_starts_without_organization(personas: Personas) -> None:
    scopes = []
    with organization_scope(personas.ada.organization_id):
        thread = threading.Thread(target=lambda: scopes.append(get_scope()))
        thread.start()
        thread.join()
    assert scopes == [None]


def test_request_starts_without_organization(personas: Personas) -> None:
    scopes = []

    def respond(request: Any) -> HttpResponse:
        scopes.append(get_scope())
        enter_organization(personas.zoe.organization_id)
        return HttpResponse()

    with organization_scope(personas.ada.organization_id):
        before = get_scope()
        OrganizationScopeMiddleware(respond)(RequestFactory().get("/"))
        assert get_scope() is before
    assert scopes == [None]


def test_streamed_rows_are_read_in_request_scope(
    personas: Personas, acme_job: Job, other_job: Job
) -> None:
    def stream_jobs() -> Any:
        for _ in range(2):
            yield str(Job.objects.get().pk)

    def respond(request: Any) -> StreamingHttpResponse:
        enter_organization(personas.ada.organization_id)
        return StreamingHttpResponse(stream_jobs())

    response = OrganizationScopeMiddleware(respond)(RequestFactory().get("/"))
    assert b"".join(response) == f"{acme_job.pk}".encode() * 2


COUNT_TASK = "portal.jobs.tasks.update_counts"


def test_task_without_organization_is_refused(acme_job: Job, run_tasks: Callable[[], int]) -> None:
    queue.enqueue_task(COUNT_TASK, acme_job.connection_id)
    with pytest.raises(ScopeRequired):
        run_tasks()


def test_task_finds_only_its_organizations_rows(
    personas: Personas, acme_job: Job, other_job: Job, run_tasks: Callable[[], int]
) -> None:
    acme = personas.ada.organization_id
    queue.enqueue_task(COUNT_TASK, acme_job.connection_id, organization_id=acme)
    with organization_scope(personas.zoe.organization_id):  # left behind by earlier code
        assert run_tasks() == 1
    queue.enqueue_task(COUNT_TASK, other_job.connection_id, organization_id=acme)
    with pytest.raises(Connection.DoesNotExist):
        run_tasks()


def test_due_work_starts_without_organization(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    scopes: list[Any] = []
    monkeypatch.setattr(ticker, "_HOOKS", [(lambda: scopes.append(get_scope()), None)])
    ticker.run_every_second_hooks()
    assert scopes == [None]
