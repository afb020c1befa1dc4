from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    """An organization's credentials and what they truly permit."""

    name = "portal.connections"

    def ready(self) -> None:
        from portal.connections import checks  # noqa: F401  # registers them
