from django.apps import AppConfig


class EntitlementsConfig(AppConfig):
    """Which jobs a person may see, and what they may do there."""

    name = "portal.entitlements"
