from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SupportConfig(AppConfig):
    name = "portal.support"

    def ready(self) -> None:
        post_migrate.connect(_create_roles, sender=self)


def _create_roles(**_: Any) -> None:
    from portal.support.access.roles import create_roles

    create_roles()
