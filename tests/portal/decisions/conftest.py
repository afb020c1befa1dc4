from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from tests.personas import Personas


@pytest.fixture
def remy(sandbox: Sandbox, personas: Personas, connect, sign_in, settings) -> Client:
    connect()
    settings.REJECT_UNDO_SECONDS = 0
    return sign_in(personas.remy)
