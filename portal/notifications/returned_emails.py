"""Emails that came back, as the email provider's webhook says."""

from __future__ import annotations

from typing import Any

from anymail.signals import EventType, tracking
from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase

from portal.core.hooks import Hook

_RETURNED = {EventType.BOUNCED, EventType.REJECTED, EventType.FAILED}

# Called with the email's reference.
email_returned: Hook[[str], None] = Hook()


def accepts_events() -> bool:
    """Without a secret anybody could say that an email came back."""
    return bool(settings.EMAIL_PROVIDER and settings.EMAIL_WEBHOOK_SECRET)


def receive_events(request: HttpRequest) -> HttpResponseBase:
    """Have Anymail check and read the provider's request."""
    from anymail import urls  # needs what only some providers need

    name = f"{settings.EMAIL_PROVIDER}_tracking_webhook"
    view = next(pattern.callback for pattern in urls.urlpatterns if pattern.name == name)
    response: HttpResponseBase = view(request)
    return response


@receiver(tracking)
def handle_event(event: Any, **_: Any) -> None:
    if event.event_type in _RETURNED and (reference := event.metadata.get("reference")):
        email_returned.run(str(reference))
