"""Telling a chat tool: a signed POST to the one address that the operator has set.

The address comes from the deployment's settings alone: nothing that anybody types into the portal
chooses where it calls. The body has the `text` that Slack, Mattermost and others show.
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

from integrations.http.client import AnswerLost, Http, NotSent, TooLarge
from portal.accounts.models import Organization
from portal.core import queue, transitions
from portal.notices.models import ChatPost

POST = "portal.notices.tasks.post"
MOST_TRIES = 6
PATIENCE = 10.0  # seconds
GIVEN_UP_AFTER = timedelta(minutes=10)
SIGNATURE = "X-Portal-Signature"
Status = ChatPost.Status


def say(organization: Organization, *, key: str, words: str, path: str = "") -> None:
    """Say it once per `key`, where a web hook is set at all."""
    if not settings.NOTICE_HOOK_URL:
        return
    post, new = ChatPost.objects.get_or_create(
        key=key[:120], defaults={"organization": organization, "words": words, "path": path}
    )
    if new:
        queue.enqueue(POST, post.pk)


def said(key: str) -> bool:
    """Whether the chat tool was told of this."""
    return ChatPost.objects.filter(key=key[:120]).exists()


def send(post: ChatPost) -> None:
    """Send one; what was not taken is tried again later, less and less often."""
    if not transitions.won(post, Status.SENDING, why="a worker took it", tries=F("tries") + 1):
        return
    post.refresh_from_db(fields=["tries"])
    body = json.dumps(
        {
            "text": f"{post.organization}: {post.words}\n{settings.PORTAL_URL}{post.path}",
            "organization": post.organization.slug,
            "words": post.words,
            "link": f"{settings.PORTAL_URL}{post.path}",
        }
    ).encode()
    headers = {"Content-Type": "application/json", SIGNATURE: signature(body, int(time.time()))}
    try:
        answer = Http().send(
            "POST", settings.NOTICE_HOOK_URL, headers=headers, content=body, patience=PATIENCE
        )
        well, why = answer.ok, f"answered {answer.status}"
    except (NotSent, AnswerLost, TooLarge) as error:
        well, why = False, type(error).__name__
    if well:
        transitions.won(post, Status.SENT, why=why)
    elif post.tries >= MOST_TRIES:
        transitions.won(post, Status.FAILED, why=why)
    else:
        due_at = timezone.now() + timedelta(minutes=2**post.tries)
        transitions.won(post, Status.QUEUED, why=why, due_at=due_at)


def signature(body: bytes, at: int) -> str:
    """`t=<epoch seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>" under NOTICE_HOOK_SECRET>`."""
    signed = str(at).encode() + b"." + body
    digest = hmac.new(settings.NOTICE_HOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def sweep() -> None:
    """Try again what is due, and what was lost with a worker: told twice is better than never."""
    posts = ChatPost.objects.all()
    last = posts.filter(tries__gte=MOST_TRIES)
    transitions.give_up(last, Status.SENDING, Status.FAILED, after=GIVEN_UP_AFTER)
    transitions.give_up(posts, Status.SENDING, Status.QUEUED, after=GIVEN_UP_AFTER)
    due = ChatPost.objects.filter(
        status=Status.QUEUED,
        due_at__lt=timezone.now(),
        created_at__lt=timezone.now() - timedelta(minutes=1),
    )
    for pk in due.values_list("pk", flat=True)[:100]:
        queue.enqueue(POST, pk)
