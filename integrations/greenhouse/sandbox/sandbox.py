"""The sandbox as a library: a server in a thread, with everything at hand."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from .app import App
from .clock import Clock, system_clock
from .credentials import Credentials
from .faults import Faults
from .partners import Consents
from .request_log import RequestLog
from .server import Server
from .settings import Settings
from .state import StateFile
from .webhooks import Webhooks
from .world import World


class Sandbox:
    """A Greenhouse of one's own.

    ``with Sandbox(seed=7, jobs=20) as sandbox:`` serves at ``sandbox.url`` until the block ends.
    Options are those of :class:`.settings.Settings`. ``port`` 0 takes a free one. ``clock`` is
    what the sandbox takes for the present: rate windows, tokens and records follow it. ``state``
    names a file that keeps the world from one start to the next.
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
        self.app = App(self.settings, self._now)
        self._address = (host, port)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._state = StateFile(Path(state), self.app.snapshot) if state else None
        if self._state:
            kept = self._state.load()
            if kept:
                self.app.restore(kept)
            self.app.on_change.append(self._state.touch)

    def _now(self) -> Any:
        return self.clock()

    # Life

    def start(self) -> Sandbox:
        """Listen and serve in a thread. Raises OSError when the port is taken."""
        self._server = Server(self._address, self.app)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="sandbox", daemon=True
        )
        self._thread.start()
        if self._state:
            self._state.save()
            self._state.start()
        return self

    def stop(self) -> None:
        """Stop serving, let every connection go, save the state."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.close_all()
        self._server = None
        self.app.webhooks.stop()
        if self._state:
            self._state.stop()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What is at hand

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port if self._server else self._address[1]

    @property
    def url(self) -> str:
        """The base of everything: ``{url}/v1``, ``{url}/v3``, ``{url}/token``."""
        return f"http://{self._address[0]}:{self.port}"

    def world(self, account: str = "acme") -> World:
        """Give the records of an account (``acme`` or ``other``)."""
        return self.app.world(account)

    @property
    def credentials(self) -> Credentials:
        """The credentials, and ``create_key`` and ``create_client``."""
        return self.app.credentials

    @property
    def consents(self) -> Consents:
        """Partners, and what was consented to."""
        return self.app.consents

    def withdraw(self, account: str = "acme", user: str | None = None) -> int:
        """Disconnect in Greenhouse: an account's consents, or those by which one user acts."""
        return self.app.withdraw(account, user)

    @property
    def faults(self) -> Faults:
        """What goes wrong on demand: ``add`` and ``clear``."""
        return self.app.faults

    @property
    def requests(self) -> RequestLog:
        """What was asked so far."""
        return self.app.requests

    @property
    def webhooks(self) -> Webhooks:
        """Web hooks: ``register``, ``deliveries``, ``wait``."""
        return self.app.webhooks

    def stats(self, account: str = "acme") -> dict[str, Any]:
        """Count an account."""
        return self.app.stats(account)

    def mutate(self, action: str, /, account: str = "acme", **values: Any) -> Any:
        """Change an account as if somebody worked in Greenhouse; see ``mutations.MUTATIONS``."""
        return self.app.mutate(action, account, **values)

    def expire_tokens(self) -> None:
        """Let every token made so far be expired."""
        self.app.tokens.expire_all()

    def reset(self) -> None:
        """Begin anew, as just started."""
        self.app.reset()
