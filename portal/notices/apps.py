from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Telling people what happened, once."""

    name = "portal.notices"
