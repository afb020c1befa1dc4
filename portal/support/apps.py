from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SupportConfig(AppConfig):
    """The Django admin for customer success: the same verbs, no rules of its own."""

    name = "portal.support"

    def ready(self) -> None:
        post_migrate.connect(_roles, sender=self)


def _roles(**_: Any) -> None:
    from portal.support.roles import make_roles

    make_roles()
