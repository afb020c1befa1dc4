"""Queue tasks of the webhooks."""

from __future__ import annotations

from django.db.models import QuerySet

from portal.core.database.compiled_queries import compile_once
from portal.core.tenancy.scope import all_organizations
from portal.webhooks import delivery_worker, endpoint, heartbeat
from portal.webhooks.models import Endpoint


def process_deliveries(endpoint_id: int) -> None:
    for webhook_endpoint in _find_endpoint(endpoint_id):  # it may have been deleted since
        delivery_worker.process_deliveries(webhook_endpoint)


@compile_once
def _find_endpoint(endpoint_id: int) -> QuerySet[Endpoint]:
    return Endpoint.objects.select_related("connection").filter(pk=endpoint_id)


@all_organizations("sweeps all customers")
def recover_stalled_work() -> None:
    delivery_worker.requeue_stalled_endpoints()
    endpoint.purge_expired_secrets()


@all_organizations("looks at every endpoint")
def detect_silence() -> None:
    heartbeat.check_all_connections()


SCHEDULES = {  # minutes
    recover_stalled_work: 1,
    detect_silence: 15,
}
