"""The sandbox as a library: an HTTP server in a thread."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from integrations.greenhouse.sandbox.auth.consents import ConsentStore
from integrations.greenhouse.sandbox.auth.credentials import Credentials
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.http_server.app import App
from integrations.greenhouse.sandbox.http_server.faults import FaultInjector
from integrations.greenhouse.sandbox.http_server.request_log import RequestLog
from integrations.greenhouse.sandbox.http_server.server import HttpServer
from integrations.greenhouse.sandbox.state_file import StateFile
from integrations.greenhouse.sandbox.webhooks.delivery import WebhookSender

from .clock import Clock, system_clock
from .settings import Settings


class Sandbox:
    """A sandbox server: ``with Sandbox(seed=7, jobs=20) as sandbox: ... sandbox.url``.

    Options are those of :class:`.settings.Settings`. Port 0 picks a free port. Rate limits, tokens
    and records follow ``clock``. ``state`` names a file that keeps the data across restarts.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = system_clock,
        state: str | Path | None = None,
        **options: Any,
    ) -> None:
        self.settings = Settings(**options)
        self.clock = clock
        self.app = App(self.settings, self._get_time)
        self._address = (host, port)
        self._server: HttpServer | None = None
        self._thread: threading.Thread | None = None
        self._state = StateFile(Path(state), self.app.take_snapshot) if state else None
        if self._state:
            saved_state = self._state.load_saved_state()
            if saved_state:
                self.app.restore_state(saved_state)
            self.app.on_change.append(self._state.mark_changed)

    def _get_time(self) -> Any:
        return self.clock()

    def start_server(self) -> Sandbox:
        """Serve in a thread. Raises OSError if the port is taken."""
        self._server = HttpServer(self._address, self.app)
        self.app.set_url(self.url)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="sandbox", daemon=True
        )
        self._thread.start()
        if self._state:
            self._state.save()
            self._state.start_saving()
        return self

    def stop_server(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        self._server.close_all()
        self._server = None
        self.app.webhooks.stop_thread()
        if self._state:
            self._state.stop_saving()

    def __enter__(self) -> Sandbox:
        return self.start_server()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_server()

    @property
    def port(self) -> int:
        return self._server.server_port if self._server else self._address[1]

    @property
    def url(self) -> str:
        return f"http://{self._address[0]}:{self.port}"

    def dataset(self, account: str = "acme") -> Dataset:
        return self.app.dataset(account)

    @property
    def credentials(self) -> Credentials:
        return self.app.credentials

    @property
    def consents(self) -> ConsentStore:
        return self.app.consents

    def withdraw_consents(self, account: str = "acme", user: str | None = None) -> int:
        """Disconnect in Greenhouse: all consents of an account, or of one acting user."""
        return self.app.withdraw_consents(account, user)

    @property
    def faults(self) -> FaultInjector:
        return self.app.faults

    @property
    def requests(self) -> RequestLog:
        return self.app.requests

    @property
    def webhooks(self) -> WebhookSender:
        return self.app.webhooks

    def count_records(self, account: str = "acme") -> dict[str, Any]:
        return self.app.count_records(account)

    def run_mutation(self, action: str, /, account: str = "acme", **values: Any) -> Any:
        """Change an account as if someone worked in Greenhouse; see ``MUTATIONS``."""
        return self.app.run_mutation(action, account, **values)

    def reset_state(self) -> None:
        self.app.reset_state()
