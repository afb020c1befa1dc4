from django.apps import AppConfig


class SigninConfig(AppConfig):
    name = "portal.signin"

    def ready(self) -> None:
        from portal.signin import signal_handlers  # noqa: F401  # registers receivers
