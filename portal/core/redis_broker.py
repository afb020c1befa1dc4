"""Django-Q's queue in Redis. While Redis does not respond, tasks are stored in the table of
Django-Q's database broker, and workers take them from there.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import redis
from django.conf import settings
from django.db import Error, close_old_connections, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_q.brokers.redis_broker import Redis
from django_q.models import OrmQ

from portal.core.redis_client import GuardedRedis, get_redis_client

logger = logging.getLogger(__name__)

BLOCKING_SECONDS = 1  # how long Redis waits for a task
BLOCKING_TIMEOUT_SECONDS = 3.0
STORED_TASKS_INTERVAL_SECONDS = 1.0
AWAY_PAUSE_SECONDS = 0.2
MAX_STORED_TASKS = 10


class RedisBroker(Redis):
    connection: GuardedRedis

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self._is_away = False
        self._next_look_at = 0.0
        self._blocking_client: redis.Redis | None = None

    @staticmethod
    def get_connection(list_key: str | None = None) -> GuardedRedis:
        return get_redis_client(settings.REDIS_URL)

    def ping(self) -> bool:
        """Ask Redis, whatever the circuit breaker remembers."""
        try:
            return bool(self.connection.ping())
        except redis.RedisError:
            return False

    def enqueue(self, task: str) -> Any:
        try:
            return super().enqueue(task)
        except redis.RedisError as error:
            logger.warning("A task is stored in the database: %s", error)
            return OrmQ.objects.create(key=self.list_key, payload=task, lock=timezone.now()).pk

    def dequeue(self) -> list[tuple[None, Any]] | None:
        """Return tasks, or None after about a second without one."""
        if stored_tasks := self._take_stored_tasks():
            return stored_tasks
        if self._is_away and not self.ping():
            time.sleep(AWAY_PAUSE_SECONDS)
            return None
        try:
            item = self._get_blocking_client().blpop([self.list_key], BLOCKING_SECONDS)
        except redis.RedisError as error:
            if not self._is_away:
                logger.warning("Tasks are taken from the database only: %s", error)
            self._is_away = True
            return None
        if self._is_away:
            logger.info("Redis responds again")
            self._is_away = False
        return [(None, item[1])] if item else None

    def queue_size(self) -> int:
        return int(super().queue_size()) + int(self._get_stored_tasks().count())

    def purge_queue(self) -> None:
        super().purge_queue()
        self._get_stored_tasks().delete()

    def delete_queue(self) -> None:
        super().delete_queue()
        self._get_stored_tasks().delete()

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        try:
            super().set_stat(key, value, timeout)
        except redis.RedisError:
            logger.debug("Redis does not take the cluster's statistics")

    def _get_blocking_client(self) -> redis.Redis:
        if self._blocking_client is None:
            self._blocking_client = redis.Redis.from_url(
                settings.REDIS_URL, socket_timeout=BLOCKING_TIMEOUT_SECONDS
            )
        return self._blocking_client

    def _get_stored_tasks(self) -> QuerySet[OrmQ]:
        rows: QuerySet[OrmQ] = OrmQ.objects.filter(key=self.list_key)
        return rows

    def _take_stored_tasks(self) -> list[tuple[None, Any]]:
        """Each task is taken once: whoever deletes its row has it."""
        now = time.monotonic()
        if not self._is_away and now < self._next_look_at:
            return []
        self._next_look_at = now + STORED_TASKS_INTERVAL_SECONDS
        try:
            if transaction.get_autocommit():
                close_old_connections()
            rows = self._get_stored_tasks().order_by("pk")[:MAX_STORED_TASKS]
            return [(None, row.payload) for row in rows if self._delete_row(row.pk)]
        except Error:
            logger.exception("Stored tasks could not be read")
            return []

    def _delete_row(self, pk: int) -> bool:
        return bool(self._get_stored_tasks().filter(pk=pk).delete()[0])
