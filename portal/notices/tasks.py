"""What workers do with notices."""

from __future__ import annotations

from portal.notices import chat, tell
from portal.notices.models import ChatPost, Notice


def send(notice_id: int) -> None:
    tell.send(Notice.objects.select_related("to", "organization").get(pk=notice_id))


def post(post_id: int) -> None:
    chat.send(ChatPost.objects.select_related("organization").get(pk=post_id))


def sweep() -> None:
    tell.sweep()
    chat.sweep()


def digests() -> None:
    tell.digests()
