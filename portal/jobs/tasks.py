from __future__ import annotations

from portal.connections.models import Connection
from portal.core.tenancy.scope import all_organizations
from portal.jobs.applicant_emails import delivery, schedule
from portal.jobs.job_list import stage_counts
from portal.jobs.models import ApplicantDigest


def update_counts(connection_id: int) -> None:
    stage_counts.update_counts(Connection.objects.get(pk=connection_id))


def recount_connection(connection_id: int) -> None:
    stage_counts.update_counts(Connection.objects.get(pk=connection_id), whole=True)


@all_organizations("finds every customer whose data changed")
def update_all_counts() -> None:
    stage_counts.request_changed_counts()


def send_applicant_digest(digest_id: int) -> None:
    # None: its member was removed, or another worker found nothing to send.
    digest = ApplicantDigest.objects.filter(pk=digest_id).first()
    if digest is not None:
        delivery.send_digest(digest)


@all_organizations("finds the digests of all customers that are due")
def queue_applicant_digests() -> None:
    schedule.MESSAGES.recover_lost()
    schedule.queue_due_digests()


SCHEDULES = {  # minutes
    update_all_counts: 1,
    queue_applicant_digests: 1,
}
