"""A gunicorn worker whose threads never wait for a client, with or without a proxy in front.

The main loop reads requests and writes responses, for any number of slow clients. A thread gets a
request once it is complete and writes its response into memory.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from portal.web.fair_thread_pool import FairThreadPool, identify_client
from portal.web.request_buffer import RequestBuffer

# In seconds. A request, headers and body, has this long from its first byte.
REQUEST_TIMEOUT = 15.0
WRITE_TIMEOUT = 30.0  # without the client taking anything
LINGER_TIMEOUT = 2.0  # for the client to close after the response

MAX_RESPONSE_BYTES = 64 * 1024 * 1024  # waiting for one client
MAX_UNFINISHED_BYTES = 64 * 1024 * 1024  # of incomplete requests, per process
_READ_SIZE = 64 * 1024
# Python's own 5 ms are waited for after each of a page's database queries while others compute.
_SWITCH_INTERVAL = 0.0005
_LIVENESS_REQUEST = re.compile(rb"(GET|HEAD) /healthz[ ?]")
_TOO_MANY_REQUESTS = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: 60\r\n"
    b"Retry-After: 5\r\nConnection: close\r\n\r\n"
    b"Too many requests at the same time. Try again in 5 seconds.\n"
)


class _BufferedSocket:
    """What gunicorn takes for the client's socket: reads the complete request, writes to memory."""

    def __init__(self, client: socket.socket) -> None:
        client.setblocking(False)
        self._client = client
        self._request = b""
        self.outgoing = bytearray()

    def set_request(self, request: bytes) -> None:
        self._request = request

    def recv(self, size: int) -> bytes:
        if not self._request:  # an oversized body, which is not read
            raise ConnectionResetError(errno.ECONNRESET, "the request ended early")
        piece, self._request = self._request[:size], self._request[size:]
        return piece

    def sendall(self, data: bytes) -> None:
        if len(self.outgoing) > MAX_RESPONSE_BYTES:
            raise BrokenPipeError(errno.EPIPE, "the client takes its response too slowly")
        self.outgoing += data
        self.flush_outgoing()

    def flush_outgoing(self) -> int:
        """Write what the client takes now. Returns how many bytes that was."""
        try:
            sent = self._client.send(self.outgoing) if self.outgoing else 0
        except BlockingIOError:
            return 0
        del self.outgoing[:sent]
        return sent

    def receive_now(self) -> bytes | None:
        """None if nothing has arrived, empty at the end."""
        try:
            return self._client.recv(_READ_SIZE)
        except BlockingIOError:
            return None

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def setblocking(self, blocking: bool) -> None: ...

    def settimeout(self, timeout: float | None) -> None: ...

    def gettimeout(self) -> float:
        return 0.0

    def fileno(self) -> int:
        return self._client.fileno()

    def shutdown(self, how: int) -> None:
        self._client.shutdown(how)

    def close(self) -> None:
        self._client.close()


class _Connection(TConn):
    def __init__(self, cfg: Any, client: socket.socket, address: Any, server: Any) -> None:
        super().__init__(cfg, _BufferedSocket(client), address, server)
        self.data_ready = True  # threads get complete requests only
        self.incoming = RequestBuffer()
        self.is_idle = False  # between two requests
        self.stays_open = False
        self.is_dropped = False
        self.drained = 0


class BufferingWorker(ThreadWorker):
    """A connection is waiting (in `_waiting`, with its deadline) or in a thread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[_Connection, float] = {}  # the longest waiting first
        self._unfinished_bytes = 0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        if cfg.is_ssl:
            raise RuntimeError("BufferingWorker does not speak TLS: a proxy in front does")

    def init_process(self) -> None:
        # The health probe answers while all other threads are busy.
        self._liveness_pool = ThreadPoolExecutor(max_workers=1)
        sys.setswitchinterval(_SWITCH_INTERVAL)
        super().init_process()

    def get_thread_pool(self) -> FairThreadPool:
        return FairThreadPool(self.cfg.threads)

    # -- waiting -----------------------------------------------------------------------------
    def _wait(
        self, connection: _Connection, event: int, callback: Callable[..., None], seconds: float
    ) -> None:
        self._waiting[connection] = time.monotonic() + seconds
        self._unfinished_bytes += len(connection.incoming.data)
        self.poller.register(
            connection.sock, event, partial(self._call_unless_dropped, callback, connection)
        )

    def _stop_waiting(self, connection: _Connection) -> None:
        if self._waiting.pop(connection, None) is not None:
            self._unfinished_bytes -= len(connection.incoming.data)
            self.poller.unregister(connection.sock)

    def _call_unless_dropped(
        self, callback: Callable[..., None], connection: _Connection, *_: Any
    ) -> None:
        try:
            # It may have been dropped in the same turn of the loop.
            if not connection.is_dropped:
                callback(connection)
        except OSError:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._stop_waiting(connection)
        connection.is_dropped = True
        self.nr_conns -= 1
        connection.close()

    def murder_keepalived(self, force: bool = False) -> None:
        now = time.monotonic()
        for connection in [c for c, ends_at in self._waiting.items() if force or ends_at <= now]:
            self._drop(connection)

    def murder_pending(self) -> None: ...

    def _cap_keepalive(self, deadline: float) -> None:
        for connection, ends_at in self._waiting.items():
            if connection.is_idle or not connection.incoming.data:
                self._waiting[connection] = min(ends_at, deadline)

    # -- reading -----------------------------------------------------------------------------
    def accept(self, listener: socket.socket) -> None:
        if self.nr_conns >= self.worker_connections - 1 and self._waiting:
            idle = (connection for connection in self._waiting if connection.is_idle)
            self._drop(next(idle, next(iter(self._waiting))))
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        connection = _Connection(self.cfg, client, address, listener.getsockname())
        self._wait(connection, selectors.EVENT_READ, self._read_request, REQUEST_TIMEOUT)
        self._call_unless_dropped(self._read_request, connection)

    def _read_request(self, connection: _Connection) -> None:
        received = connection.sock.receive_now()
        if received is None:
            return
        if not received:
            self._drop(connection)
            return
        if connection.is_idle:
            connection.is_idle = False
            self._waiting[connection] = time.monotonic() + REQUEST_TIMEOUT
        connection.incoming.data += received
        self._unfinished_bytes += len(received)
        if not self._start_complete_request(connection):
            self._invite_body(connection)
            self._limit_unfinished_bytes()

    def _start_complete_request(self, connection: _Connection) -> bool:
        size = len(connection.incoming.data)
        request = connection.incoming.take_request()
        if request is None:
            return False
        if connection in self._waiting:
            self._unfinished_bytes -= size - len(connection.incoming.data)
            self._stop_waiting(connection)
        connection.sock.set_request(request)
        handle = partial(self.handle, connection)

        def defer_finish(done: Future[Any]) -> None:
            self.method_queue.defer(self.finish_request, connection, done)

        if _LIVENESS_REQUEST.match(request):
            self._liveness_pool.submit(handle).add_done_callback(defer_finish)
        elif not self.tpool.submit_for(
            identify_client(request, connection.client), handle, defer_finish
        ):
            connection.stays_open = False
            connection.sock.sendall(_TOO_MANY_REQUESTS)
            self._write_response(connection)
        return True

    def _invite_body(self, connection: _Connection) -> None:
        if connection.incoming.expects_continue:
            connection.incoming.expects_continue = False
            connection.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _limit_unfinished_bytes(self) -> None:
        while self._unfinished_bytes > MAX_UNFINISHED_BYTES:
            self._drop(next(c for c in self._waiting if c.incoming.data))

    # -- writing -----------------------------------------------------------------------------
    def finish_request(self, connection: _Connection, future: Future[Any]) -> None:
        connection.stays_open = (
            not future.cancelled() and not future.exception() and future.result()
        )
        self._call_unless_dropped(self._write_response, connection)

    def _write_response(self, connection: _Connection) -> None:
        sent = connection.sock.flush_outgoing()
        if connection.sock.outgoing:
            if connection not in self._waiting:
                self._wait(connection, selectors.EVENT_WRITE, self._write_response, WRITE_TIMEOUT)
            elif sent:
                self._waiting[connection] = time.monotonic() + WRITE_TIMEOUT
            return
        self._stop_waiting(connection)
        if connection.stays_open:
            self._await_next_request(connection)
        else:
            self._linger(connection)

    def _await_next_request(self, connection: _Connection) -> None:
        if self._start_complete_request(connection):  # pipelined
            return
        connection.is_idle = not connection.incoming.data
        timeout = float(self.cfg.keepalive) if connection.is_idle else REQUEST_TIMEOUT
        self._wait(connection, selectors.EVENT_READ, self._read_request, timeout)

    def _linger(self, connection: _Connection) -> None:
        """Let the client close first: closing with unread data would cut off the response."""
        connection.incoming = RequestBuffer()
        connection.sock.shutdown(socket.SHUT_WR)
        self._wait(connection, selectors.EVENT_READ, self._drain, LINGER_TIMEOUT)

    def _drain(self, connection: _Connection) -> None:
        received = connection.sock.receive_now()
        if received is None:
            return
        connection.drained += len(received)
        if not received or connection.drained > _READ_SIZE:
            self._drop(connection)
