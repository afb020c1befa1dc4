from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who you are, for which organization, in which role."""

    name = "portal.accounts"
