from __future__ import annotations

from portal.connections.models import Connection, ConsentRequest, CredentialTest
from portal.core import queue
from portal.core.tenancy.scope import all_organizations
from portal.onboarding import consent_entry, credential_entry, setup_flow
from portal.sync import purge
from portal.webhooks import endpoint


def delete_synced_data(connection_id: int) -> None:
    """Idempotent: does nothing once the data is deleted."""
    connection = Connection.objects.get(pk=connection_id)
    if connection.data_deletion_pending:
        endpoint.delete_endpoint(connection)
        purge.delete_synced_data(connection)
        setup_flow.handle_data_deleted(connection)


@all_organizations("sweeps all customers")
def recover_lost_deletions() -> None:
    pending = Connection.objects.filter(data_deletion_pending=True)
    rows = pending.values_list("pk", "organization_id")
    queue.requeue_lost_tasks(setup_flow.DELETE_DATA_TASK, dict(rows))


def run_credential_test(test_id: int) -> None:
    tests = CredentialTest.objects.select_related(
        "connection__organization", "membership__user", "membership__organization"
    )
    if test := tests.filter(pk=test_id).first():
        credential_entry.run_test(test)


def exchange_code(request_id: int) -> None:
    requests = ConsentRequest.objects.select_related(
        "connection__organization", "membership__user", "membership__organization"
    )
    if request := requests.filter(pk=request_id).first():
        consent_entry.exchange_code(request)


@all_organizations("sweeps all customers")
def clean_up_entered_secrets() -> None:
    credential_entry.clean_up_tests()
    consent_entry.fail_unfinished_requests()


SCHEDULES = {recover_lost_deletions: 1, clean_up_entered_secrets: 1}  # minutes
