from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "portal.connections"

    def ready(self) -> None:
        from portal.connections import checks  # noqa: F401  # registers the system checks
