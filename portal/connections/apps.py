from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    """An organization's credentials and what they truly permit."""

    name = "portal.connections"
