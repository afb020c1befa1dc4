"""Signed webhook posts to the operator's chat tool. The URL comes only from settings, never from
users.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from integrations.http.client import HttpClient, RequestNotSent, ResponseLost, ResponseTooLarge
from portal.accounts.models import Organization
from portal.core import queue, transitions
from portal.notifications import delivery
from portal.notifications.models import ChatMessage

SEND_TASK = "portal.notifications.tasks.send_chat_message"
DEADLINE_SECONDS = 10.0
GIVE_UP_AFTER = timedelta(minutes=10)
SIGNATURE_HEADER = "X-Portal-Signature"
Status = ChatMessage.Status


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
    """Send a queued message; failures are retried with exponential backoff."""
    if not transitions.try_move(
        post, Status.SENDING, why="a worker took it", attempts=F("attempts") + 1
    ):
        return
    post.refresh_from_db(fields=["attempts"])
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
        is_delivered, why = response.ok, f"answered {response.status}"
    except (RequestNotSent, ResponseLost, ResponseTooLarge) as error:
        is_delivered, why = False, type(error).__name__
    if is_delivered:
        transitions.try_move(post, Status.SENT, why=why)
    elif not delivery.requeue(post, post.attempts, why):
        transitions.try_move(post, Status.FAILED, why=why)


def sign_body(body: bytes, timestamp: int) -> str:
    """`t=<epoch seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>" under CHAT_WEBHOOK_SECRET>`."""
    signed = str(timestamp).encode() + b"." + body
    digest = hmac.new(settings.CHAT_WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def retry_due_messages() -> None:
    """Queue due messages and those lost with a worker: a duplicate is better than none."""
    posts = ChatMessage.objects.all()
    transitions.move_stalled_rows(
        posts.filter(attempts__gte=delivery.MAX_ATTEMPTS),
        Status.SENDING,
        Status.FAILED,
        after=GIVE_UP_AFTER,
    )
    transitions.move_stalled_rows(posts, Status.SENDING, Status.QUEUED, after=GIVE_UP_AFTER)
    due = ChatMessage.objects.filter(
        status=Status.QUEUED,
        due_at__lt=timezone.now(),
        created_at__lt=timezone.now() - timedelta(minutes=1),
    )
    queue.requeue_lost_tasks(SEND_TASK, dict(due.values_list("pk", "organization_id")[:100]))
