from django.apps import AppConfig


class SigninConfig(AppConfig):
    name = "portal.signin"

    def ready(self) -> None:
        from portal.core import key_rotation
        from portal.signin import one_time_codes, signal_handlers  # noqa: F401  # registers receivers

        key_rotation.register_secret_store(one_time_codes.SECRET_STORE)
