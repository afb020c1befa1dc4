"""Write endpoints of Harvest v1; ``On-Behalf-Of`` names the acting user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.ats.record_ids import parse_id
from integrations.greenhouse.sandbox.actions import (
    edit_actions,
    note_actions,
    refusals,
    rejection_actions,
    stage_actions,
)
from integrations.greenhouse.sandbox.api.v1.application_serializers import serialize_note
from integrations.greenhouse.sandbox.api.v1.reads import RequestContext, retrieve_record
from integrations.greenhouse.sandbox.dataset.records import Application, User
from integrations.greenhouse.sandbox.http_server.messages import (
    NOT_FOUND_BODY,
    HttpError,
    Request,
    Response,
    json_response,
    not_found_error,
)

Body = dict[str, Any]
NOTES_PATH = "/v1/candidates/{id}/activity_feed/notes"


def get_acting_user(context: RequestContext) -> User:
    """Return the acting user; an unknown one is 404 (from an old recording).

    The error for a missing header is an assumption.
    """
    text = context.request.headers.get("on-behalf-of", "").strip()
    if not text:
        message = "Missing required header: On-Behalf-Of"
        raise HttpError(
            422,
            {
                "message": "Validation error",
                "errors": [{"message": message, "field": "On-Behalf-Of"}],
            },
        )
    user = context.dataset.users.get(int(text)) if text.isdecimal() else None
    if user is None:
        raise not_found_error()
    context.request.acting_user = user.id
    return user


def to_v1_error(refusal: refusals.ActionRefused) -> HttpError:
    """Map a refusal to 404, 403, or 422 without a ``message`` (as recorded)."""
    error: dict[str, str] = {"message": refusal.message}
    if refusal.field:
        error["field"] = refusal.field
    status = {"hidden": 404, "forbidden": 403}.get(refusal.reason, 422)
    return HttpError(status, {"errors": [error]})


def run_write(context: RequestContext, template: str, number: int | None) -> Response:
    user = get_acting_user(context)
    if template == NOTES_PATH:
        return _add_note(context, number)
    row = context.dataset.applications.get(number)
    if row is None:
        raise HttpError(404, NOT_FOUND_BODY)
    body = context.request.parse_json()
    try:
        response = WRITE_HANDLERS[context.request.method, template](context, row, user, body)
    except refusals.ActionRefused as refusal:
        raise to_v1_error(refusal) from None
    return response or retrieve_record(context, "applications", row.id)


def _add_note(context: RequestContext, number: int | None) -> Response:
    candidate = context.dataset.candidates.get(number)
    if candidate is None:
        raise HttpError(404, NOT_FOUND_BODY)
    body = context.request.parse_json()
    # The documentation's example sends the author's ID as text.
    author = context.dataset.users.get(parse_id(str(body.get("user_id", ""))))
    try:
        if author is None:
            raise refusals.invalid_value("user_id", "A user with this id does not exist.")
        note = note_actions.add_note(
            context.dataset,
            candidate,
            author,
            {name: body[name] for name in ("body", "visibility") if name in body},
        )
    except refusals.ActionRefused as refusal:
        raise to_v1_error(refusal) from None
    return json_response(serialize_note(context.dataset, note))


def _advance_application(context: RequestContext, row: Application, user: User, body: Body) -> None:
    stage_actions.advance_application(
        context.dataset, row, user, body.get("from_stage_id"), {row.stage_id}
    )


def _move_application(context: RequestContext, row: Application, user: User, body: Body) -> None:
    from_stage, to_stage = body.get("from_stage_id"), body.get("to_stage_id")
    stage_actions.move_application(context.dataset, row, user, from_stage, {row.stage_id}, to_stage)


def _transfer_application(
    context: RequestContext, row: Application, user: User, body: Body
) -> None:
    stage_actions.transfer_application(
        context.dataset, row, user, body.get("new_job_id"), body.get("new_stage_id")
    )


def _reject_application(context: RequestContext, row: Application, user: User, body: Body) -> None:
    rejection_actions.reject_application(
        context.dataset,
        row,
        user,
        reason_id=body.get("rejection_reason_id"),
        notes=body.get("notes"),
        email=body.get("rejection_email"),
    )


def _unreject_application(
    context: RequestContext, row: Application, user: User, body: Body
) -> None:
    rejection_actions.unreject_application(context.dataset, row, user)


def _update_application(context: RequestContext, row: Application, user: User, body: Body) -> None:
    edit_actions.update_application(context.dataset, row, user, body)


def _change_rejection_reason(
    context: RequestContext, row: Application, user: User, body: Body
) -> Response:
    number = body.get("rejection_reason_id")
    name = rejection_actions.change_rejection_reason(context.dataset, row, user, number)
    message = f"Rejection reason updated to {number} ({name})"
    return json_response({"success": True, "message": message, "id": row.id})


WRITE_HANDLERS: dict[
    tuple[str, str], Callable[[RequestContext, Application, User, Body], Response | None]
] = {
    ("POST", "/v1/applications/{id}/advance"): _advance_application,
    ("POST", "/v1/applications/{id}/move"): _move_application,
    ("POST", "/v1/applications/{id}/transfer_to_job"): _transfer_application,
    ("POST", "/v1/applications/{id}/reject"): _reject_application,
    ("PATCH", "/v1/applications/{id}/reject"): _change_rejection_reason,
    ("POST", "/v1/applications/{id}/unreject"): _unreject_application,
    ("PATCH", "/v1/applications/{id}"): _update_application,
}


def is_get_with_body(request: Request) -> bool:
    """Whether v1 refuses this request for carrying a body (documented)."""
    return request.method in ("GET", "HEAD") and bool(request.body)
