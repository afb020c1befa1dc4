"""The webhooks to create in Greenhouse, with the last delivery of each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from integrations.ats.webhooks import WebhookEventType, WebhookSpec
from portal.connections.models import Connection
from portal.webhooks.models import Heartbeat


@dataclass(frozen=True)
class EventRow:
    event: WebhookEventType
    heartbeat: Heartbeat | None  # None until the first delivery

    @property
    def state(self) -> str:
        if self.heartbeat is None:
            return "not_yet"
        return "former" if self.heartbeat.used_previous_secret else "seen"


@dataclass(frozen=True)
class EventList:
    rows: tuple[EventRow, ...]  # in the order of Greenhouse's menu
    ping: Heartbeat | None

    @property
    def groups(self) -> list[tuple[str, list[EventRow]]]:
        return [
            (name, list(group)) for name, group in groupby(self.rows, lambda row: row.event.group)
        ]

    @property
    def seen_count(self) -> int:
        return sum(row.heartbeat is not None for row in self.rows)

    # Optional webhooks may never be created: the page does not poll for them.
    @property
    def is_waiting(self) -> bool:
        return any(row.heartbeat is None and not row.event.optional for row in self.rows)

    @property
    def previous_secret_count(self) -> int:
        return sum(row.state == "former" for row in self.rows)


def build_event_list(connection: Connection, vendor: WebhookSpec) -> EventList:
    heartbeats = {beat.action: beat for beat in Heartbeat.objects.filter(connection=connection)}
    return EventList(
        rows=tuple(EventRow(event, heartbeats.get(event.action)) for event in vendor.events),
        ping=heartbeats.get(vendor.ping_action),
    )
