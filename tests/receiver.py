"""An HTTP server on this machine that keeps what is sent to it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import brotli

_DECOMPRESSORS = {"gzip": gzip.decompress, "br": brotli.decompress}


class Receiver:
    """`answer` is the body of its responses."""

    def __init__(self, port: int) -> None:
        self.answer = b""
        self.address = f"127.0.0.1:{port}"
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            decompress = _DECOMPRESSORS.get(self.headers.get("Content-Encoding", ""), bytes)
            receiver.bodies.append(decompress(body))
            receiver.headers.append({name.lower(): text for name, text in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", str(len(receiver.answer)))
            self.end_headers()
            self.wfile.write(receiver.answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_port)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
