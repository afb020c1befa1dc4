from django.apps import AppConfig


class EntitlementsConfig(AppConfig):
    name = "portal.entitlements"

    def ready(self) -> None:
        from portal.audit.presentation import register_title_lookup
        from portal.entitlements.job_titles import get_job_titles

        register_title_lookup(get_job_titles)
