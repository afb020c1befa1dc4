"""The portal's settings, with the address of `tests.bench.floor` beside its own."""

from tests.bench.page_settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.floor"
