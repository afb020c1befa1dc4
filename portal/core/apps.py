from django.apps import AppConfig
from django.db.backends.signals import connection_created


class CoreConfig(AppConfig):
    name = "portal.core"

    def ready(self) -> None:
        from portal.core import checks  # noqa: F401  # registers the system checks
        from portal.core.broker.process_queue import use_process_queues
        from portal.core.tenancy import query_guard

        connection_created.connect(query_guard.install_guard)
        use_process_queues()
