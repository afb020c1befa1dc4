from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class OnboardingConfig(AppConfig):
    name = "portal.onboarding"

    def ready(self) -> None:
        # post_migrate is sent only for apps with models, which this one lacks.
        post_migrate.connect(schedule_recurring_tasks, sender=apps.get_app_config("core"))


def schedule_recurring_tasks(**_: Any) -> None:
    from portal.core.queue import register_schedules

    register_schedules(
        {  # minutes
            "portal.connections.tasks.record_heartbeat": 1,
            "portal.connections.tasks.retry_fix_link_emails": 1,
            "portal.connections.tasks.renew_due_consents": 10,
            "portal.onboarding.tasks.recover_lost_tasks": 1,
            "portal.applications.tasks.recover_lost_actions": 1,
            "portal.sync.tasks.recover_stalled_work": 1,
            "portal.notifications.tasks.recover_lost_messages": 1,
            "portal.members.tasks.recover_lost_invitations": 1,
            "portal.jobs.tasks.update_all_counts": 1,
            "portal.webhooks.tasks.recover_stalled_work": 1,
            "portal.webhooks.tasks.detect_silence": 15,
            "portal.onboarding.tasks.check_due_connections": 10,
            "portal.notifications.tasks.send_digests": 60,
            "portal.support.tasks.run_periodic_checks": 5,
            "portal.sync.tasks.request_due_syncs": 1,
            "portal.privacy.tasks.delete_expired_data": 24 * 60,
        }
    )
