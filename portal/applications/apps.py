from django.apps import AppConfig


class ApplicationsConfig(AppConfig):
    """The buttons on an application, and every click ever made on one."""

    name = "portal.applications"

    def ready(self) -> None:
        from portal.applications import bulk, notes, outbox
        from portal.core.queue import every_second
        from portal.mirror.people import also_erase

        every_second(outbox.release)
        every_second(bulk.release)
        also_erase(notes.forget)
