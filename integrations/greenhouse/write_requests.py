"""The requests that change an application or add a note to it, per version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.greenhouse.transport.request import HarvestRequest

# action: (method, what follows the application's own path)
V1_WRITES: Mapping[str, tuple[str, str]] = {
    "update": ("PATCH", ""),
    "advance": ("POST", "/advance"),
    "move": ("POST", "/move"),
    "transfer": ("POST", "/transfer_to_job"),
    "reject": ("POST", "/reject"),
    "unreject": ("POST", "/unreject"),
}
V3_WRITES: Mapping[str, tuple[str, str]] = {
    **V1_WRITES,
    "advance": ("POST", "/move"),
    "transfer": ("POST", "/move"),
}


def build_v1_write_request(
    action: str, application_id: int, body: Mapping[str, Any], acting_user_id: int
) -> HarvestRequest:
    return _build_request(V1_WRITES, "v1", action, application_id, body, acting_user_id)


def build_v3_write_request(
    action: str, application_id: int, body: Mapping[str, Any], acting_user_id: int | None
) -> HarvestRequest:
    return _build_request(V3_WRITES, "v3", action, application_id, body, acting_user_id)


def _build_request(
    writes: Mapping[str, tuple[str, str]],
    version: str,
    action: str,
    application_id: int,
    body: Mapping[str, Any],
    acting_user_id: int | None,
) -> HarvestRequest:
    method, subpath = writes[action]
    return HarvestRequest(
        method=method,
        path=f"/{version}/applications/{int(application_id)}{subpath}",
        template=f"/{version}/applications/{{id}}{subpath}",
        permission=f"applications.{action}",
        body=body,
        acting_user_id=acting_user_id,
    )


def build_v1_note_request(
    candidate_id: int, body: Mapping[str, Any], acting_user_id: int
) -> HarvestRequest:
    """v1 has notes of candidates only, in their activity feed."""
    return HarvestRequest(
        method="POST",
        path=f"/v1/candidates/{int(candidate_id)}/activity_feed/notes",
        template="/v1/candidates/{id}/activity_feed/notes",
        permission="notes.create",
        body=body,
        acting_user_id=acting_user_id,
    )


def build_v3_note_request(body: Mapping[str, Any], acting_user_id: int | None) -> HarvestRequest:
    return HarvestRequest(
        method="POST",
        path="/v3/notes",
        template="/v3/notes",
        permission="notes.create",
        body=body,
        acting_user_id=acting_user_id,
    )
