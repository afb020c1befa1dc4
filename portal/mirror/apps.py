from django.apps import AppConfig


class MirrorConfig(AppConfig):
    """Our copy of what Greenhouse holds, and how it is refreshed."""

    name = "portal.mirror"
