"""The writes of Harvest v1: each names who acts by ``On-Behalf-Of``, each answers the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import deeds
from .http import NOT_FOUND, Answer, Request, Response, not_found, ok
from .reads_v1 import Call, retrieved
from .records import Application, User

Body = dict[str, Any]


def acting_user(call: Call) -> User:
    """Give who acts. An unknown user is 404 (an old cassette); what a missing header gets is an
    assumption.
    """
    text = call.request.headers.get("on-behalf-of", "").strip()
    if not text:
        message = "Missing required header: On-Behalf-Of"
        raise Answer(
            422,
            {
                "message": "Validation error",
                "errors": [{"message": message, "field": "On-Behalf-Of"}],
            },
        )
    user = call.world.users.get(int(text)) if text.isdecimal() else None
    if user is None:
        raise not_found()
    call.request.acting_user = user.id
    return user


def refused(refusal: deeds.Refusal) -> Answer:
    """Put a refusal into v1's words: 404, 403, or 422 without a ``message`` (as recorded)."""
    error: dict[str, str] = {"message": refusal.message}
    if refusal.field:
        error["field"] = refusal.field
    status = {"hidden": 404, "forbidden": 403}.get(refusal.reason, 422)
    return Answer(status, {"errors": [error]})


def write(call: Call, template: str, number: int | None) -> Response:
    """Do what a write asks for and answer it."""
    user = acting_user(call)
    row = call.world.applications.get(number)
    if row is None:
        raise Answer(404, NOT_FOUND)
    body = call.request.json()
    try:
        done = WRITES[call.request.method, template](call, row, user, body)
    except deeds.Refusal as refusal:
        raise refused(refusal) from None
    return done or retrieved(call, "applications", row.id)


def _advance(call: Call, row: Application, user: User, body: Body) -> None:
    deeds.advance(call.world, row, user, body.get("from_stage_id"), {row.stage_id})


def _move(call: Call, row: Application, user: User, body: Body) -> None:
    given, target = body.get("from_stage_id"), body.get("to_stage_id")
    deeds.move(call.world, row, user, given, {row.stage_id}, target)


def _transfer(call: Call, row: Application, user: User, body: Body) -> None:
    deeds.transfer(call.world, row, user, body.get("new_job_id"), body.get("new_stage_id"))


def _reject(call: Call, row: Application, user: User, body: Body) -> None:
    deeds.reject(
        call.world,
        row,
        user,
        reason_id=body.get("rejection_reason_id"),
        notes=body.get("notes"),
        email=body.get("rejection_email"),
    )


def _unreject(call: Call, row: Application, user: User, body: Body) -> None:
    deeds.unreject(call.world, row, user)


def _update(call: Call, row: Application, user: User, body: Body) -> None:
    deeds.update(call.world, row, user, body)


def _change_reason(call: Call, row: Application, user: User, body: Body) -> Response:
    number = body.get("rejection_reason_id")
    name = deeds.change_reason(call.world, row, user, number)
    message = f"Rejection reason updated to {number} ({name})"
    return ok({"success": True, "message": message, "id": row.id})


WRITES: dict[tuple[str, str], Callable[[Call, Application, User, Body], Response | None]] = {
    ("POST", "/v1/applications/{id}/advance"): _advance,
    ("POST", "/v1/applications/{id}/move"): _move,
    ("POST", "/v1/applications/{id}/transfer_to_job"): _transfer,
    ("POST", "/v1/applications/{id}/reject"): _reject,
    ("PATCH", "/v1/applications/{id}/reject"): _change_reason,
    ("POST", "/v1/applications/{id}/unreject"): _unreject,
    ("PATCH", "/v1/applications/{id}"): _update,
}


def is_get_with_body(request: Request) -> bool:
    """Say whether v1 refuses this request for carrying a body (documented)."""
    return request.method in ("GET", "HEAD") and bool(request.body)
