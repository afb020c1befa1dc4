from django.apps import AppConfig


class EntitlementsConfig(AppConfig):
    """Which jobs a person may see, and what they may do there."""

    name = "portal.entitlements"

    def ready(self) -> None:
        from portal.audit.shown import name_jobs_by
        from portal.entitlements.naming import titles

        name_jobs_by(titles)
