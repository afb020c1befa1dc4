from django.apps import AppConfig


class DemoConfig(AppConfig):
    """A whole portal on one machine, with the sandbox instead of Greenhouse."""

    name = "portal.demo"
