from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The record of who did what: written once, never changed."""

    name = "portal.audit"
