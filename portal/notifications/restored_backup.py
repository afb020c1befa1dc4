from __future__ import annotations

from portal.core.transitions import fail_unsent_rows
from portal.notifications.models import ChatMessage, Notification, OutgoingEmail


def give_up_restored_messages() -> str:
    """Send no email or chat message of a restored backup: it may have been sent since."""
    count = fail_unsent_rows(Notification.objects.all(), "queued", "deferred")
    count += fail_unsent_rows(OutgoingEmail.objects.all(), "queued", content="")
    count += fail_unsent_rows(ChatMessage.objects.all(), "queued")
    return f"{count} notifications, sign-in emails and chat messages were given up."
