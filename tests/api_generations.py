"""Run a test once where what it exercises does not depend on the API generation.

Tests that take the `kind` fixture run with v3 and with v1 credentials. Mark those that never reach
code that branches on the generation with `any_generation`: they run with v3 alone.
"""

from __future__ import annotations

import pytest

any_generation = pytest.mark.parametrize("kind", ["harvest_oauth"], ids=["v3"], indirect=True)
