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
    from portal.core.queue import by_the_clock

    by_the_clock(
        {
            "portal.connections.tasks.beat": 1,
            "portal.connections.tasks.sweep": 1,
            "portal.connections.tasks.renew_due": 10,
            "portal.onboarding.tasks.sweep": 1,
            "portal.applications.tasks.sweep": 1,
            "portal.mirror.tasks.sweep": 1,
            "portal.notices.tasks.sweep": 1,
            "portal.members.tasks.sweep": 1,
            "portal.jobs.tasks.tally_all": 1,
            "portal.webhooks.tasks.sweep": 1,
            "portal.webhooks.tasks.judge": 15,
            "portal.onboarding.tasks.check_daily": 10,
            "portal.notices.tasks.digests": 60,
            "portal.support.tasks.sweep": 5,
            "portal.mirror.tasks.tick": 1,
            "portal.privacy.tasks.forget_old": 24 * 60,
        }
    )
