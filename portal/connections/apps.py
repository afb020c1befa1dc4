from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    """An organization's credentials and what they truly permit."""

    name = "portal.connections"

    def ready(self) -> None:
        from portal.connections import checks, endings  # noqa: F401  # registers them
        from portal.members import roles

        roles.also_end(endings.end_of)
