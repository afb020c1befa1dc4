"""The web hooks to make in Greenhouse, and what was heard of each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from integrations.ats.webhooks import Event, WebHooks
from portal.connections.models import Connection
from portal.webhooks.models import Heartbeat


@dataclass(frozen=True)
class Line:
    """One web hook on the page. `heard` is None until its first delivery."""

    event: Event
    heard: Heartbeat | None

    @property
    def state(self) -> str:
        """seen, former (signed with the former secret, still) or not_yet."""
        if self.heard is None:
            return "not_yet"
        return "former" if self.heard.by_former_secret else "seen"


@dataclass(frozen=True)
class Lines:
    """All of them, in the order of Greenhouse's own words, and how many are there."""

    all: tuple[Line, ...]
    ping: Heartbeat | None

    @property
    def groups(self) -> list[tuple[str, list[Line]]]:
        return [(name, list(of)) for name, of in groupby(self.all, lambda line: line.event.group)]

    @property
    def seen(self) -> int:
        return sum(line.heard is not None for line in self.all)

    @property
    def watching(self) -> bool:
        """Whether something asked for was not heard yet, so that the page looks again."""
        return any(line.heard is None and not line.event.optional for line in self.all)

    @property
    def by_former(self) -> int:
        return sum(line.state == "former" for line in self.all)


def lines_of(connection: Connection, vendor: WebHooks) -> Lines:
    """Each web hook that is asked for, with its heartbeat."""
    heard = {beat.action: beat for beat in Heartbeat.objects.filter(connection=connection)}
    return Lines(
        all=tuple(Line(event, heard.get(event.action)) for event in vendor.events),
        ping=heard.get(vendor.ping),
    )
