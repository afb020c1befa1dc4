from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "portal.connections"

    def ready(self) -> None:
        from portal.connections import checks  # noqa: F401  # registers the system checks
        from portal.connections.oauth import revocation
        from portal.members import memberships

        memberships.register_end_hook(revocation.revoke_member_consents)
