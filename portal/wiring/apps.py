from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class WiringConfig(AppConfig):
    name = "portal.wiring"

    def ready(self) -> None:
        from portal.core import queue
        from portal.wiring import hooks, lanes, schedules

        hooks.register_hooks()
        queue.register_task_options(lanes.TASK_OPTIONS)
        # post_migrate is sent only for apps with models, which this one lacks.
        core = apps.get_app_config("core")
        post_migrate.connect(schedules.schedule_recurring_tasks, sender=core)
