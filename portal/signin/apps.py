from django.apps import AppConfig


class SigninConfig(AppConfig):
    """Coming in: password, single sign-on, one-time codes, sessions."""

    name = "portal.signin"

    def ready(self) -> None:
        from portal.core import rekey
        from portal.signin import events, one_time_codes  # noqa: F401  # events registers itself

        rekey.also_look_at(one_time_codes.KEPT)
