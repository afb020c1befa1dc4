"""A real Redis of the test's own, which it may stop or freeze, and the one that all share."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from functools import lru_cache
from pathlib import Path

import redis
from django.conf import settings
from django.core.cache import cache

from tests.demo_process import find_free_port
from tests.plugins.requirements import SYSTEM_PATH

START_SECONDS = 20


class RedisServer:
    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self._folder, self._address = folder, address
        self._port = find_free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://{address}:{self._port}/0"

    def start(self) -> None:
        """Start it, or let it continue where it was frozen."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)
        else:
            program = shutil.which("redis-server", path=SYSTEM_PATH) or "redis-server"
            self._process = subprocess.Popen(  # noqa: S603  (our own server)
                [
                    *(program, "--port", str(self._port), "--bind", self._address),
                    *("--protected-mode", "no"),  # other machines of a test may connect
                    *("--save", "", "--appendonly", "no", "--dir", str(self._folder)),
                ],
                stdout=subprocess.DEVNULL,
            )
        self._wait_until_it_responds()

    def take_away(self, how: str) -> None:
        """Stop it ("stopped") or suspend it ("frozen")."""
        if how == "frozen" and self._process:
            self._process.send_signal(signal.SIGSTOP)
        else:
            self.stop()

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait_until_it_responds(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    assert time.monotonic() < deadline, "Redis did not start"
                    time.sleep(0.01)
                else:
                    return


def clear_cache() -> None:
    """Empty the cache, and what else this test process keeps in the Redis that others share."""
    if not settings.REDIS_URL:
        cache.clear()
        return
    client = _open_redis(settings.REDIS_URL)
    if keys := client.keys(f"*{settings.Q_CLUSTER['name']}:*"):
        client.delete(*keys)


@lru_cache
def _open_redis(url: str) -> redis.Redis:
    return redis.Redis.from_url(url)
