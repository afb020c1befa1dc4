from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class OnboardingConfig(AppConfig):
    """Set-up: asks, then calls the verbs of the rooms below."""

    name = "portal.onboarding"

    def ready(self) -> None:
        # Django tells only of rooms with models; this one has none.
        post_migrate.connect(_schedule, sender=apps.get_app_config("core"))


def _schedule(**_: Any) -> None:
    """What happens by the clock, said in one place; a migrated database always has it."""
    from portal.core.queue import every_minutes

    every_minutes("portal.connections.tasks.beat", 1)
    every_minutes("portal.onboarding.tasks.sweep", 1)
    every_minutes("portal.applications.tasks.sweep", 1)
    every_minutes("portal.mirror.tasks.sweep", 1)
    every_minutes("portal.notices.tasks.sweep", 1)
    every_minutes("portal.members.tasks.sweep", 1)
    every_minutes("portal.jobs.tasks.tally_all", 1)
    every_minutes("portal.webhooks.tasks.sweep", 1)
    every_minutes("portal.webhooks.tasks.judge", 15)
    every_minutes("portal.webhooks.tasks.forget", 24 * 60)
    every_minutes("portal.onboarding.tasks.check_daily", 10)
    every_minutes("portal.notices.tasks.digests", 60)
    every_minutes("portal.support.tasks.sweep", 5)
    every_minutes("portal.support.tasks.forget_old", 24 * 60)
    every_minutes("portal.mirror.tasks.tick", 1)
    every_minutes("portal.mirror.tasks.forget_old_runs", 24 * 60)
    every_minutes("portal.onboarding.tasks.forget_old_calls", 24 * 60)
