"""The records that a delivery names, and reading them again."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from integrations.ats.error_descriptions import describe_error
from integrations.ats.errors import AtsError, AtsUnavailable, BadCredential, NotFound, RateLimited
from integrations.ats.webhooks import EventSubject
from integrations.greenhouse.provider import Provider
from portal.connections.models import Connection
from portal.core.database.outages import DATABASE_AWAY
from portal.sync import alerts
from portal.sync.integrity import write_guard
from portal.sync.models import Application
from portal.sync.records import job_refresh, record_refresh
from portal.webhooks.delivery_states import (
    UNEXPECTED_SENTENCE,
    settle_by_pk,
)
from portal.webhooks.models import Delivery

logger = logging.getLogger(__name__)

Record = tuple[str, int]  # kind and Greenhouse id


class ProcessingPostponed(Exception):
    """Greenhouse can't be asked at the moment; `failed` counts towards the backoff."""

    def __init__(self, at: datetime, *, failed: bool) -> None:
        self.at, self.failed = at, failed


def list_records(connection: Connection, delivery: Delivery) -> dict[Record, None]:
    # Reading an application stores its missing parents. A candidate who is gone comes last, after
    # the applications that a merge moved and after the surviving candidate.
    candidates = delivery.record_ids.get("candidates", [])
    records: list[Record] = []
    if delivery.subject == EventSubject.JOB:
        records += [("jobs", pk) for pk in delivery.record_ids.get("jobs", [])]
    if delivery.subject == EventSubject.CANDIDATE and delivery.is_deletion:
        records += _list_candidate_applications(connection, candidates)
    if delivery.subject != EventSubject.JOB:
        records += [("applications", pk) for pk in delivery.record_ids.get("applications", [])]
    if delivery.subject == EventSubject.CANDIDATE:
        records += [("candidates", pk) for pk in reversed(candidates)]
    return dict.fromkeys(records)


def list_records_or_fail(connection: Connection, delivery: Delivery) -> dict[Record, None]:
    """As `list_records`; a delivery that cannot be taken apart is settled as failed."""
    try:
        with transaction.atomic():
            return list_records(connection, delivery)
    except DATABASE_AWAY:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the others go on
        logger.error("Delivery %d is unreadable: %s", delivery.pk, describe_error(error))
        settle_by_pk([delivery.pk], Delivery.Outcome.FAILED, UNEXPECTED_SENTENCE)
        alerts.report_failed_read(connection)
        return {}


def _list_candidate_applications(connection: Connection, candidates: list[int]) -> list[Record]:
    # Deletes do not cascade (documented), and a merge moves applications.
    rows = Application.objects.filter(
        connection=connection, candidate__remote_id__in=candidates, gone_at=None
    )
    return [("applications", pk) for pk in rows.values_list("remote_id", flat=True)]


def refresh_record(
    connection: Connection, provider: Provider, record: Record, *, requested_at: datetime
) -> str:
    """Read and store one record; returns the sentence of an error that retrying won't fix."""
    kind, remote_id = record
    try:
        if kind == "jobs":
            job_refresh.refresh_job(
                connection, remote_id, provider=provider, requested_at=requested_at
            )
        elif kind == "candidates":
            record_refresh.refresh_candidate(connection, remote_id, provider=provider)
        else:
            record_refresh.refresh_application(connection, provider, remote_id)
    except NotFound:  # now marked gone
        return ""
    except (RateLimited, AtsUnavailable) as error:
        if retry_at := error.retry_at:
            raise ProcessingPostponed(retry_at, failed=False) from error
        raise
    except (BadCredential, write_guard.ConnectionChanged):
        raise
    except AtsError as error:
        return error.sentence
    except DATABASE_AWAY:
        raise  # the database is away: nothing can be recorded
    except Exception as error:  # noqa: BLE001  # whatever it is, the others go on
        logger.error("Refreshing one of %s failed: %s", kind, describe_error(error))
        alerts.report_failed_read(connection)
        return UNEXPECTED_SENTENCE
    return ""
