"""The socket: HTTP/1.1 with keep-alive on the standard library's server."""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .app import App, Dropped
from .http import Request, Response

logger = logging.getLogger("greenhouse.sandbox")


class Server(ThreadingHTTPServer):
    """Listens, and can let go of every open connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], app: App) -> None:
        self.app = app
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection while it lives."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that went away."""
        logger.debug("A client went away.")

    def close_all(self) -> None:
        """Stop listening and end every connection."""
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "greenhouse-sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def handle_any(self) -> None:
        """Read a request, let the app answer, write the answer."""
        body = self._read_body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        request = Request(
            self.command,
            path,
            query,
            {name.lower(): value for name, value in self.headers.items()},
            body,
            self._base_url(),
            str(self.client_address[0]),
        )
        try:
            response = self.server.app.handle(request)
        except Dropped:
            self._drop()
            return
        self._write(response)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = handle_any

    def _base_url(self) -> str:
        host = self.headers.get("Host") or f"{self.server.server_name}:{self.server.server_port}"
        return f"http://{host}"

    def _read_body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > 10_000_000:
            self._write(Response(413, b'{"message": "Request too large"}'))
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _read_chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(100).split(b";")[0].strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline(4)
        self.rfile.readline(4)
        return b"".join(parts)

    def _write(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD" and response.status != 204:
            self.wfile.write(response.body)
        self.wfile.flush()

    def _drop(self) -> None:
        """Close the socket without a word."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the request log has it."""
