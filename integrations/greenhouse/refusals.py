"""Reading Greenhouse's "no": five shapes of error body, and what its words mean.

Seen or documented: `{message}`, `{message, errors: [{message, field}]}`, `{errors: [{message,
field?}]}`, `{message, errors: ["text"]}`, `{message, errors: [{field: "text"}]}`,
`{error}` at the token endpoint; an HTML page from whatever stands in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from integrations.ats.errors import AtsError, Conflict, Evidence, Invalid, UnreadableAnswer
from integrations.http.client import Answer
from integrations.http.redact import redact

_STALE = re.compile(
    r"must be '?\w+'?,? (?:but )?is|is currently|already (?:been )?(?:rejected|hired|moved|active)"
    r"|not (?:currently )?(?:active|rejected|in (?:the|this|that) stage)|no longer|stale"
    r"|has (?:been )?(?:moved|changed)|from_stage(?:_id)?|current stage",
    re.IGNORECASE,
)
_FROM_STAGE = re.compile(r"from.?stage|current stage|\bstage\b", re.IGNORECASE)
_TO_STAGE = re.compile(r"to.?stage|target stage|new.?stage", re.IGNORECASE)
_GENERIC = ("unprocessable content", "unprocessable entity", "validation error")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An error body, redacted. `fields` maps a field's name to Greenhouse's words about it."""

    message: str
    fields: dict[str, str]
    is_json: bool


def read_refusal(answer: Answer, secrets: Iterable[str]) -> Refusal:
    """Whatever the body says, in one line; never fails."""
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = answer.body[:4000].decode("utf-8", "replace")
        empty = not text.strip()
        return Refusal(message=redact(text, secrets), fields={}, is_json=empty)
    texts: list[str] = []
    fields: dict[str, str] = {}
    _collect(body, texts, fields)
    clean = {redact(name, secrets): redact(text, secrets) for name, text in fields.items()}
    every = list(dict.fromkeys([*texts, *(f"{name}: {text}" for name, text in fields.items())]))
    every = [text for text in every if text.lower() not in _GENERIC] or every
    return Refusal(message=redact(" · ".join(every), secrets), fields=clean, is_json=True)


def refused_by_a_page(evidence: Evidence) -> UnreadableAnswer:
    """A refusal that is no JSON where Greenhouse is known to answer JSON."""
    return UnreadableAnswer(
        "Something between us and Greenhouse refused this with a page of its own.",
        evidence=evidence,
    )


def refused_values(refusal: Refusal, evidence: Evidence) -> AtsError:
    """Conflict where the words speak of a changed record, else Invalid."""
    if is_stale(refusal):
        return Conflict(
            f"This application changed in Greenhouse since you opened it: {refusal.message}",
            evidence=evidence,
        )
    words = f"Greenhouse does not accept this: {refusal.message}" if refusal.message else ""
    return Invalid(refusal.fields, words, evidence=evidence)


def is_stale(refusal: Refusal) -> bool:
    """Whether the refusal says that the record is in another state or stage."""
    return bool(_STALE.search(refusal.message)) and not _TO_STAGE.search(refusal.message)


def speaks_of_from_stage(error: AtsError) -> bool:
    """Whether a 422 is about the stage that the application is said to be in."""
    evidence = error.evidence
    return (
        evidence is not None
        and evidence.status == 422
        and bool(_FROM_STAGE.search(evidence.message))
        and not _TO_STAGE.search(evidence.message)
    )


def _collect(body: object, texts: list[str], fields: dict[str, str]) -> None:
    if isinstance(body, str):
        texts.append(body)
    elif isinstance(body, list):
        for item in body:
            _collect(item, texts, fields)
    elif isinstance(body, dict):
        _collect_object(body, texts, fields)


def _collect_object(body: dict[str, object], texts: list[str], fields: dict[str, str]) -> None:
    message = body.get("message") or body.get("error_description") or body.get("error")
    field = body.get("field")
    if isinstance(message, str):
        if isinstance(field, str) and field:
            fields[field] = message
        else:
            texts.append(message)
    _collect(body.get("errors"), texts, fields)
    if message is None and "errors" not in body:
        fields.update({name: text for name, text in body.items() if isinstance(text, str)})
