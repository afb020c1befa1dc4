from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The requisition pages."""

    name = "portal.jobs"
