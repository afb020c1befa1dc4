from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "portal.core"

    def ready(self) -> None:
        from portal.core import (
            checks,  # noqa: F401  # registers the system checks
            worker_heartbeat,
        )
        from portal.core.queue import run_every_second

        # From a thread, so that a long task does not make its worker look dead.
        run_every_second(worker_heartbeat.record_heartbeat_if_due)
