from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class WiringConfig(AppConfig):
    name = "portal.wiring"

    def ready(self) -> None:
        from portal.wiring import hooks, schedules

        hooks.register_hooks()
        # post_migrate is sent only for apps with models, which this one lacks.
        core = apps.get_app_config("core")
        post_migrate.connect(schedules.schedule_recurring_tasks, sender=core)
