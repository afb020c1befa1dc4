"""What every test may ask for: the cast, a sandbox, a connected organization, a client."""

from __future__ import annotations

import gc
import io
import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from logging.config import DictConfigurator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, TransactionTestCase
from django.urls import reverse
from django_q.brokers import get_broker
from pytest_django import DjangoDbBlocker, Settings
from time_machine import TimeMachineFixture

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership, User
from portal.applications.resumes.cache import get_memory_store
from portal.audit.append_only import remove_triggers
from portal.connections.models import Connection
from tests import queue, sandbox_cache, tables
from tests.house.secret_scanner import _scan_for_secrets, leaks  # noqa: F401  (fixtures for every test)
from tests.personas import Personas, create_personas
from tests.redis_server import clear_cache
from tests.setup_cache import run_or_replay

# How fast a machine is decides nothing; in CI chance does not, either.
hypothesis.settings.register_profile(
    "portal",
    max_examples=50,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("portal")

sandbox_cache.install_cache()
# To read the certificates of all authorities takes 20 ms, and tests make many HTTP clients.
httpx._transports.default.create_ssl_context = lru_cache(httpx.create_ssl_context)
# A new connection for each test would have PostgreSQL read its catalog anew.
TransactionTestCase._should_reload_connections = lambda _: False  # type: ignore[method-assign]
# Objects that live as long as the process are not looked at again and again.
gc.set_threshold(50_000, 20, 50)


def pytest_collection_finish() -> None:
    """Nor are modules and collected tests."""
    gc.collect()
    gc.freeze()


Connect = Callable[..., Connection]
SignIn = Callable[[Membership | User], Client]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The migrated database is remembered: what a test did is taken back to that.

    Without the database's own refusal to delete from the audit record, of course.
    """
    with django_db_blocker.unblock():
        remove_triggers(connection)
        tables.save_migrated_tables()


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the test processes of a run collect the static files once, which takes 10 s."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "collected-static"


@pytest.fixture
def personas(transactional_db: None) -> Personas:
    tables.reset_sequences()  # tests that are rolled back have used up ids
    return create_personas()


# To whoever is no Site Admin Greenhouse answers its lists with 403, or with nothing at all.
each_refusal = pytest.mark.parametrize(
    "sandbox",
    [{"not_site_admin": "forbidden"}, {"not_site_admin": "empty"}],
    ids=["forbidden", "empty"],
    indirect=True,
)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Sandbox]:
    """A Greenhouse of the test's own, without rate limits; the portal is pointed at it.

    A test may give it other options as its parameter.
    """
    options = {"seed": 7, "jobs": 20, "v1_limit": 0, "v3_limit": 0} | getattr(request, "param", {})
    with Sandbox(**options) as running:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = running.url
        yield running


@pytest.fixture(scope="session", autouse=True)
def _check_sandbox_cache() -> Iterator[None]:
    """Sandboxes share what their records consist of, which no test may change in place."""
    yield
    assert sandbox_cache.list_altered_accounts() == []


@pytest.fixture
def run_tasks() -> Iterator[Callable[[], int]]:
    """Do what is queued. What a test leaves queued is thrown away."""
    yield queue.run_tasks
    get_broker().purge_queue()


@pytest.fixture(autouse=True)
def _queue_emails(settings: Settings) -> None:
    """As in production; Django's test environment would let requests send."""
    settings.EMAIL_BACKEND = "portal.notifications.outbox.EmailBackend"


@pytest.fixture
def sign_in() -> SignIn:
    def sign_in_user(person: Membership | User) -> Client:
        client = Client()
        client.force_login(person.user if isinstance(person, Membership) else person)
        return client

    return sign_in_user


@pytest.fixture(autouse=True)
def _clear_cache() -> Iterator[None]:
    """What a test left in the cache, or elsewhere in Redis, is not the next one's."""
    yield
    get_memory_store().clear_values()
    clear_cache()


@pytest.fixture
def production_log() -> Iterator[Callable[[], str]]:
    """What was logged, as production's formatters write it."""
    stream = io.StringIO()
    configurator: Any = DictConfigurator({"version": 1})
    handlers = [logging.StreamHandler(stream) for _ in settings.LOGGING["formatters"]]
    for handler, options in zip(handlers, settings.LOGGING["formatters"].values(), strict=True):
        handler.setFormatter(configurator.configure_formatter(dict(options)))
        logging.getLogger().addHandler(handler)
    yield stream.getvalue
    for handler in handlers:
        logging.getLogger().removeHandler(handler)


@pytest.fixture
def advance_clock(time_machine: TimeMachineFixture) -> Callable[[float], None]:
    """Let so many seconds pass at once; the clock goes on from there."""

    def shift_clock(seconds: float) -> None:
        time_machine.move_to(datetime.now(UTC) + timedelta(seconds=seconds), tick=True)

    return shift_clock


@pytest.fixture
def quick_retries(settings: Settings) -> None:
    """Greenhouse is given up on soon."""
    settings.INTERACTIVE_DEADLINE_SECONDS = settings.SYNC_DEADLINE_SECONDS = 0.2
    settings.OUTAGE_RETRY_MINUTES = settings.RATE_LIMIT_RETRY_MINUTES = 0


V3 = {
    "kind": "harvest_oauth",
    "client_id": greenhouse.ACME_V3_CLIENT_ID,
    "client_secret": greenhouse.ACME_V3_CLIENT_SECRET,
}
V1 = {"kind": "harvest_key", "api_key": greenhouse.ACME_V1_KEY}
FULL_CREDENTIALS = {"harvest_oauth": V3, "harvest_key": V1}


@pytest.fixture(params=["harvest_oauth", "harvest_key"], ids=["v3", "v1"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of credential in turn."""
    return str(request.param)


@pytest.fixture
def connect(
    personas: Personas, sandbox: Sandbox, sign_in: SignIn, run_tasks: Callable[[], int]
) -> Connect:
    """Connect Acme as its admin would: paste, have it checked, have everything synced.

    What went this way once is put in place from then on (tests/setup_cache.py).
    """

    def connect_organization(
        kind: str = "harvest_oauth", *, without: set[str] | None = None
    ) -> Connection:
        credential = _create_credential(sandbox, kind, without)

        def set_up() -> None:
            response = sign_in(personas.ada).post(reverse("onboarding:credential"), credential)
            assert response.status_code == 302, response.content.decode()
            run_tasks()

        run_or_replay(set_up, credential, sandbox)
        return Connection.objects.get(organization=personas.ada.organization)

    return connect_organization


def _create_credential(sandbox: Sandbox, kind: str, without: set[str] | None) -> dict[str, Any]:
    if not without:
        return FULL_CREDENTIALS[kind]
    if kind == "harvest_key":
        key = sandbox.credentials.create_key(account="acme", without=without)
        return {"kind": kind, "api_key": key.secret}
    client = sandbox.credentials.create_client(account="acme", without=without)
    return {"kind": kind, "client_id": client.client_id, "client_secret": client.client_secret}
