"""SMTP with a total deadline. smtplib's timeout applies to each read, so a server that answers a
few bytes at a time could hold a worker for as long as it likes.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import threading
import time
from typing import Any

from django.conf import settings
from django.core.mail.backends import smtp


class _DeadlineMixin:
    """Shuts the socket down at the deadline, which ends whatever is being read or written."""

    sock: socket.socket | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._closed = threading.Event()
        threading.Thread(target=self._abort_when_due, daemon=True, name="smtp-deadline").start()
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            self._closed.set()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """All addresses of the server together take no longer than one email may."""
        ends_at = time.monotonic() + settings.EMAIL_DEADLINE_SECONDS
        error: OSError = TimeoutError("the deadline has passed")
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            remaining = ends_at - time.monotonic()
            if remaining <= 0:
                break
            try:
                connected: socket.socket = super()._get_socket(  # type: ignore[misc]
                    address[0], port, min(timeout, remaining)
                )
            except OSError as failure:
                error = failure
            else:
                connected.settimeout(timeout)
                return connected
        raise error

    def close(self) -> None:
        self._closed.set()
        super().close()  # type: ignore[misc]

    def _abort_when_due(self) -> None:
        wait = settings.EMAIL_DEADLINE_SECONDS
        # Repeated: there may be no socket yet, or a TLS handshake may be replacing it.
        while not self._closed.wait(wait):
            wait = 1
            sock = getattr(self, "sock", None)
            if sock is not None:
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own, which would go on without encryption.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _SMTP(_DeadlineMixin, smtplib.SMTP):
    pass


class _SMTPOverTLS(_DeadlineMixin, smtplib.SMTP_SSL):
    pass


class EmailBackend(smtp.EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SMTPOverTLS if self.use_ssl else _SMTP
