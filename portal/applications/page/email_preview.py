"""A rejection email as it can be read before it is sent: Greenhouse fills in its tokens later."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape, unescape

import nh3
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from portal.applications.actions.action_context import ActionContext
from portal.sync.models import EmailTemplate

# Without links and pictures: neither is followed nor fetched from a preview.
_TAGS = {
    *("p", "br", "div", "span", "strong", "b", "em", "i", "u", "ul", "ol", "li", "blockquote"),
    *("h1", "h2", "h3", "h4", "table", "tbody", "tr", "td", "th", "pre"),
}
_TOKEN = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_HTML_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")  # linear, whatever the text

MAX_TAGS = 2000  # more are shown as text: the time to read nested ones grows with their square


@dataclass(frozen=True)
class EmailPreview:
    template: EmailTemplate
    subject: SafeString
    body: SafeString
    sender: SafeString
    send_at: datetime | None  # None: not known yet
    local_text: str  # the same for the candidate, if the rejection waits for it


def build_email_preview(
    template: EmailTemplate,
    action_context: ActionContext,
    send_at: datetime | None,
    local_text: str = "",
) -> EmailPreview:
    return EmailPreview(
        template=template,
        subject=mark_tokens(escape(template.subject)),
        body=render_body(template.body),
        sender=mark_tokens(escape(_describe_sender(template, action_context))),
        send_at=send_at,
        local_text=local_text,
    )


def estimate_send_time(minutes: int, action_context: ActionContext) -> datetime:
    """If it is rejected now, and not undone."""
    delay = timedelta(minutes=minutes, seconds=action_context.reject_undo_seconds)
    return timezone.now() + delay


def render_body(body: str) -> SafeString:
    """HTML or plain text from Greenhouse, with everything removed but text and its layout."""
    if body.count("<") > MAX_TAGS or not _HTML_TAG.search(body):
        text = escape(unescape(body)).replace("\r\n", "\n").replace("\n", "<br>")
        return mark_tokens(text)
    return mark_tokens(nh3.clean(body, tags=_TAGS, attributes={"*": set()}))


def mark_tokens(html: str) -> SafeString:
    """`html` must be safe and without attributes, so that a token is always text."""
    marked = _TOKEN.sub(r'<code class="token">\1</code>', html)
    return mark_safe(marked)  # noqa: S308  (the token is letters, digits and underscores)


def _describe_sender(template: EmailTemplate, action_context: ActionContext) -> str:
    """Greenhouse is told to send it as the person, unless the template names somebody else."""
    user = action_context.rights.match.user
    return template.sender or (str(user) if user is not None else "As set in Greenhouse")
