"""Parse Greenhouse error bodies and map validation errors."""

# Observed or documented: `{message}`, `{message, errors: [{message, field}]}`,
# `{errors: [{message, field?}]}`, `{message, errors: ["text"]}`,
# `{message, errors: [{field: "text"}]}`, `{error}` at the token endpoint, and HTML from a proxy.

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from integrations.ats.errors import AtsError, Conflict, Evidence, InvalidValues, UnreadableResponse
from integrations.http.client import HttpResponse
from integrations.http.redaction import redact_text

_STALE_PATTERN = re.compile(
    r"must be '?\w+'?,? (?:but )?is|is currently|already (?:been )?(?:rejected|hired|moved|active)"
    r"|not (?:currently )?(?:active|rejected|in (?:the|this|that) stage)|no longer|stale"
    r"|has (?:been )?(?:moved|changed)|from_stage(?:_id)?|current stage",
    re.IGNORECASE,
)
_FROM_STAGE_PATTERN = re.compile(r"from.?stage|current stage|\bstage\b", re.IGNORECASE)
_TO_STAGE_PATTERN = re.compile(r"to.?stage|target stage|new.?stage", re.IGNORECASE)
_FIELD_NAME_PATTERN = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
# A field in front of its own message, as in "to_stage_id: is invalid".
_FIELD_PREFIX_PATTERN = re.compile(r"\b([a-z]+(?:_[a-z]+)+):(?= )")
_SCOPE_PATTERN = re.compile(r"['`\"]?\bharvest:[a-z_]+:[a-z_]+\b['`\"]?")
_FIELD_LABELS = {
    "from_stage_id": "current stage",
    "to_stage_id": "target stage",
    "new_stage_id": "target stage",
    "new_job_id": "target requisition",
    "send_email_at": "time of the email",
}
_MAX_DEPTH = 8
_MAX_BYTES = 256 * 1024  # a longer body is cut off, and so is no JSON
_GENERIC_MESSAGES = ("unprocessable content", "unprocessable entity", "validation error")


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """A redacted error body. `fields` maps field names to Greenhouse's messages."""

    message: str
    fields: dict[str, str]
    is_json: bool


def parse_error_body(response: HttpResponse, secrets: Iterable[str]) -> ErrorBody:
    """Reduce the body to a one-line message and field errors. Never raises."""
    try:
        body = msgspec.json.decode(response.body[:_MAX_BYTES])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = response.body[:4000].decode("utf-8", "replace")
        is_empty = not text.strip()
        return ErrorBody(message=redact_text(text, secrets), fields={}, is_json=is_empty)
    texts: list[str] = []
    fields: dict[str, str] = {}
    _collect_messages(body, texts, fields)
    redacted_fields = {
        redact_text(name, secrets): redact_text(text, secrets) for name, text in fields.items()
    }
    messages = list(dict.fromkeys([*texts, *(f"{name}: {text}" for name, text in fields.items())]))
    messages = [text for text in messages if text.lower() not in _GENERIC_MESSAGES] or messages
    return ErrorBody(
        message=redact_text(" · ".join(messages), secrets), fields=redacted_fields, is_json=True
    )


def build_html_page_error(evidence: Evidence) -> UnreadableResponse:
    return UnreadableResponse(
        "A server between us and Greenhouse blocked the request.",
        evidence=evidence,
    )


def map_validation_error(error_body: ErrorBody, evidence: Evidence) -> AtsError:
    """Map to Conflict if the message says that the record changed, else to InvalidValues."""
    if is_stale_record_error(error_body):
        return Conflict(evidence=evidence)
    sentence = (
        f"Greenhouse didn't accept this: {_replace_api_words(error_body.message)}"
        if error_body.message
        else ""
    )
    return InvalidValues(error_body.fields, sentence, evidence=evidence)


def _replace_api_words(message: str) -> str:
    """Say "rejection reason" for "rejection_reason_id", and name no scope."""
    text = _SCOPE_PATTERN.sub("a permission of the credential", message)
    text = _FIELD_PREFIX_PATTERN.sub(lambda name: _name_field(name[1]), text)
    return _FIELD_NAME_PATTERN.sub(lambda name: _name_field(name[0]), text)


def _name_field(name: str) -> str:
    return _FIELD_LABELS.get(name) or name.removesuffix("_id").replace("_", " ")


def is_stale_record_error(error_body: ErrorBody) -> bool:
    return bool(_STALE_PATTERN.search(error_body.message)) and not _TO_STAGE_PATTERN.search(
        error_body.message
    )


def is_from_stage_error(error: AtsError) -> bool:
    """Whether this is a 422 about `from_stage_id`, rather than about the target stage."""
    evidence = error.evidence
    return (
        evidence is not None
        and evidence.status == 422
        and bool(_FROM_STAGE_PATTERN.search(evidence.message))
        and not _TO_STAGE_PATTERN.search(evidence.message)
    )


def _collect_messages(
    body: object, texts: list[str], fields: dict[str, str], depth: int = 0
) -> None:
    if depth > _MAX_DEPTH:
        return
    if isinstance(body, str):
        texts.append(body)
    elif isinstance(body, list):
        for item in body:
            _collect_messages(item, texts, fields, depth + 1)
    elif isinstance(body, dict):
        _collect_object_messages(body, texts, fields, depth)


def _collect_object_messages(
    body: dict[str, object], texts: list[str], fields: dict[str, str], depth: int
) -> None:
    message = body.get("message") or body.get("error_description") or body.get("error")
    field = body.get("field")
    if isinstance(message, str):
        if isinstance(field, str) and field:
            fields[field] = message
        else:
            texts.append(message)
    _collect_messages(body.get("errors"), texts, fields, depth + 1)
    if message is None and "errors" not in body:
        fields.update({name: text for name, text in body.items() if isinstance(text, str)})
