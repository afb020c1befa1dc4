"""Hands tasks from one process of a cluster to another without a lock.

A process waiting for a `multiprocessing.Queue` holds its lock. If it is killed there, no other
process gets anything from the queue again.
"""

from __future__ import annotations

import errno
import pickle
import select
import socket
from typing import Any

from django_q import cluster

MAX_MESSAGE_BYTES = 150_000  # a message is sent whole or not at all
MAX_RESULT_LENGTH = 10_000


class ProcessQueue:
    """The methods of `multiprocessing.Queue` that Django-Q calls."""

    def __init__(self, maxsize: int = 0) -> None:
        self._receiver, self._sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def put(self, item: Any) -> None:
        message = pickle.dumps(item)
        if len(message) > MAX_MESSAGE_BYTES:
            message = pickle.dumps(item | {"result": str(item.get("result"))[:MAX_RESULT_LENGTH]})
        if len(message) > MAX_MESSAGE_BYTES:
            raise OSError(errno.EMSGSIZE, "the task is too large")
        self._sender.send(message)

    def get(self) -> Any:
        # Only processes of the same cluster write here.
        return pickle.loads(self._receiver.recv(MAX_MESSAGE_BYTES))  # noqa: S301

    def empty(self) -> bool:
        return not select.select([self._receiver], [], [], 0)[0]

    def qsize(self) -> int:
        return int(not self.empty())

    def close(self) -> None:
        """Sent messages stay readable for the other processes."""

    def join_thread(self) -> None: ...


def use_process_queues() -> None:
    cluster.Queue = ProcessQueue
