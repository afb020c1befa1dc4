from django.apps import AppConfig
from django.db.backends.signals import connection_created

from portal.core.form_messages import set_form_messages

set_form_messages()


class CoreConfig(AppConfig):
    name = "portal.core"

    def ready(self) -> None:
        from django.conf import settings

        from portal.core import checks  # noqa: F401  # registers the system checks
        from portal.core.broker.process_queue import use_process_queues
        from portal.core.tenancy import query_guard

        connection_created.connect(query_guard.install_guard)
        use_process_queues()
        if settings.SENTRY_DSN:
            from portal.core.observability.error_reports import start_error_reports

            start_error_reports(settings.SENTRY_DSN, settings.SENTRY_ENVIRONMENT)
        if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
            from portal.core.observability.traces import start_traces

            start_traces(settings.OTEL_EXPORTER_OTLP_ENDPOINT, settings.OTEL_SERVICE_NAME)
