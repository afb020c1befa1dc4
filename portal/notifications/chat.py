"""Signed webhook posts to the operator's chat tool. The URL comes only from settings, never from
users.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from django.conf import settings

from integrations.http.client import HttpClient, RequestNotSent, ResponseLost, ResponseTooLarge
from portal.accounts.models import Organization
from portal.core import queue
from portal.notifications.message_queue import MessageNotSent, MessageQueue
from portal.notifications.models import ChatMessage

SEND_TASK = "portal.notifications.tasks.send_chat_message"
DEADLINE_SECONDS = 10.0
SIGNATURE_HEADER = "X-Portal-Signature"
MESSAGES = MessageQueue(
    model=ChatMessage, label="chat messages", send_task=SEND_TASK, repeats_lost=True
)


def post_message(organization: Organization, *, key: str, text: str, path: str = "") -> None:
    """Post once per `key`, if a webhook is configured."""
    if not settings.CHAT_WEBHOOK_URL:
        return
    post, created = ChatMessage.objects.get_or_create(
        key=key[:120], defaults={"organization": organization, "text": text, "path": path}
    )
    if created:
        queue.enqueue_task(SEND_TASK, post.pk, organization_id=organization.pk)


def was_posted(key: str) -> bool:
    return ChatMessage.objects.filter(key=key[:120]).exists()


def send_message(post: ChatMessage) -> None:
    MESSAGES.send_message(post, lambda: _post_to_webhook(post))


def _post_to_webhook(post: ChatMessage) -> None:
    body = json.dumps(
        {
            "text": f"{post.organization}: {post.text}\n{settings.PORTAL_URL}{post.path}",
            "organization": post.organization.slug,
            "message": post.text,
            "link": f"{settings.PORTAL_URL}{post.path}",
        }
    ).encode()
    headers = {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: sign_body(body, int(time.time())),
    }
    try:
        response = HttpClient().send(
            "POST",
            settings.CHAT_WEBHOOK_URL,
            headers=headers,
            content=body,
            max_total=DEADLINE_SECONDS,
        )
    except (RequestNotSent, ResponseLost, ResponseTooLarge) as error:
        raise MessageNotSent(type(error).__name__) from error
    if not response.ok:
        raise MessageNotSent(f"answered {response.status}")


def sign_body(body: bytes, timestamp: int) -> str:
    """`t=<epoch seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>" under CHAT_WEBHOOK_SECRET>`."""
    signed = str(timestamp).encode() + b"." + body
    digest = hmac.new(settings.CHAT_WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"
