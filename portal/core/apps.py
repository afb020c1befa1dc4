from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Things without a domain: the queue's door, transitions, secrets, shared state."""

    name = "portal.core"

    def ready(self) -> None:
        from portal.core import (
            checks,  # noqa: F401  # registers them
            pulse,
        )
        from portal.core.queue import every_second

        every_second(pulse.beat)  # a worker that is busy for long lives, too
