"""A mirror made by hand: Acme is live, was just synced, and holds what a test puts there."""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.connections.models import Connection
from portal.sync.models import AtsUser, SyncRun
from tests.factories import ConnectionFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data


@pytest.fixture
def acme(personas: Personas) -> Connection:
    made = ConnectionFactory(organization=personas.ada.organization, state="live")
    now = timezone.now()
    SyncRun.objects.create(connection=made, status="done", started_at=now, finished_at=now)
    return made


@pytest.fixture
def sam(acme: Connection) -> AtsUser:
    """Site Admin."""
    return synced_data.create_user(acme, "sam@acme.example", name="Sam Okafor", site_admin=True)


@pytest.fixture
def remy(acme: Connection) -> AtsUser:
    """Job Admin of what a test grants."""
    return synced_data.create_user(acme, "remy@acme.example", name="Remy Laurent")
