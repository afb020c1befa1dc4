from django.apps import AppConfig


class SigninConfig(AppConfig):
    name = "portal.signin"

    def ready(self) -> None:
        from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider

        from portal.signin import checks, signal_handlers  # noqa: F401  # registers both
        from portal.signin.oidc import GuardedOidcAdapter

        OpenIDConnectProvider.oauth2_adapter_class = GuardedOidcAdapter
