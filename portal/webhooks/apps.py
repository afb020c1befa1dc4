from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """What Greenhouse tells by itself: taken in at once, then read again by the mirror."""

    name = "portal.webhooks"
