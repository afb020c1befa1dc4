from __future__ import annotations

import pytest
from django.conf import settings
from django.core.cache import cache

from portal.core.redis.client import get_redis_client
from portal.core.shared_state import RedisStore

pytestmark = pytest.mark.redis


def test_clearing_deletes_own_cache_keys_only() -> None:
    client = get_redis_client(settings.REDIS_URL)
    others_key = f"others-of-{settings.Q_CLUSTER['name']}:1:sign-ins"  # deleted after the test
    client.set(others_key, "kept")
    store = RedisStore(settings.REDIS_URL)
    store.update("budget", lambda _: (b"kept", None), ttl=60)
    cache.set("sign-ins", 1)
    cache.set("sign-ins", 2, version=2)

    cache.clear()
    cache.clear()  # nothing is left

    assert cache.get("sign-ins") is None
    assert cache.get("sign-ins", version=2) is None
    assert client.get(others_key) == b"kept"
    assert store.update("budget", lambda raw: (raw, raw), ttl=60) == b"kept"
