from django.apps import AppConfig


class ApplicationsConfig(AppConfig):
    """The buttons on an application, and every click ever made on one."""

    name = "portal.applications"
