from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class SupportConfig(AppConfig):
    """The Django admin for customer success: the same verbs, no rules of its own."""

    name = "portal.support"

    def ready(self) -> None:
        # Django tells only of rooms with models; this one has none.
        post_migrate.connect(_roles, sender=apps.get_app_config("core"))


def _roles(**_: Any) -> None:
    from portal.support.roles import make_roles

    make_roles()
