from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """What we hold of people: how long, taken along on request, erased (docs/data.md)."""

    name = "portal.privacy"

    def ready(self) -> None:
        from portal.members import roles
        from portal.privacy import people

        roles.also_end(people.leave)
