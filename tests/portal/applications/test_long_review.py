"""A hundred applications of twelve requisitions in one review, on a day when things go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction, RejectionPreset, ReviewSession
from portal.applications.tasks import recover_lost_actions
from portal.sync.models import Application, RejectionReason
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    get_latest_action,
    get_sandbox_application,
    list_writes,
)

Status = ApplicationAction.Status
COUNT, JOBS = 100, 12
UNDONE, CONFLICT, OUTAGE = {20, 45, 80}, 30, range(60, 64)


@dataclass
class LongReview:
    """Decides as a person would: on the stage on screen, going by each response's next one."""

    client: Client
    preset: RejectionPreset
    kinds: dict[int, str] = field(default_factory=dict)  # decided, by our ID of the application
    undone: list[int] = field(default_factory=list)

    def decide(self, application: Application, number: int) -> None:
        session = ReviewSession.objects.get()
        values = build_form_values(application, origin=f"review-{session.pk}")
        kind = "reject" if number % 5 == 0 or _is_in_last_stage(application) else "advance"
        if kind == "reject":
            values["preset"] = self.preset.click
        response = self.client.post(build_action_url(kind, application.pk), values, **HTMX)
        assert response.status_code == 200, (number, kind, response.content.decode()[:500])
        assert response["HX-Push-Url"].endswith(f"?position={number + 2}")
        self.kinds[application.pk] = kind

    def undo_latest(self) -> None:
        action = get_latest_action()
        name = "cancel_action" if action.can_cancel else "undo_action"
        values = {"origin": f"review-{ReviewSession.objects.get().pk}"}
        response = self.client.post(build_action_url(name, action.pk), values, **HTMX)
        assert response.status_code == 200
        self.undone.append(action.application_id)

    def retry(self, action: ApplicationAction) -> None:
        action.application.refresh_from_db()
        values = build_form_values(action.application)
        self.client.post(build_action_url("retry_action", action.pk), values, **HTMX)


def _is_in_last_stage(application: Application) -> bool:
    stages = application.job.stages.filter(active=True, gone_at=None)
    return application.stage == stages.order_by("order", "pk").last()


@pytest.fixture
def review(personas: Personas, connect, sign_in, kind: str) -> LongReview:
    """Sam's review of everything, spread over the requisitions."""
    connection = connect(kind)
    preset = RejectionPreset.objects.create(
        organization=personas.sam.organization, membership=personas.sam, name="Too junior",
        digit=1, reason=RejectionReason.objects.filter(connection=connection).first(),
    )  # fmt: skip
    Application.objects.update(entered_stage_at=timezone.now() - timedelta(days=30))
    return LongReview(sign_in(personas.sam), preset)


def _list_reviewed(review: LongReview) -> list[Application]:
    review.client.post(reverse("applications:start_review"), {"source": "waiting"})
    ids = ReviewSession.objects.get().application_ids[:COUNT]
    rows = Application.objects.select_related("job", "stage").in_bulk(ids)
    return [rows[pk] for pk in ids]


@pytest.mark.slow("a hundred clicks")
@any_generation
def test_hundred_decisions_end_as_in_greenhouse(
    review: LongReview, sandbox: Sandbox, run_tasks: Callable[..., object], advance_clock
) -> None:
    reviewed = _list_reviewed(review)
    assert len(reviewed) == COUNT
    assert len({application.job_id for application in reviewed}) >= JOBS
    before = {a.pk: get_sandbox_application(sandbox, a).stage_id for a in reviewed}
    writes_before = len(list_writes(sandbox))
    for number, application in enumerate(reviewed):
        if number == CONFLICT:
            sandbox.run_mutation("reject_application", application_id=application.remote_id)
        if number == OUTAGE.start:
            sandbox.faults.add_fault(regex=r"^/v[13]/", status=503, times=None)
        review.decide(application, number)
        if number in UNDONE:
            run_tasks()
            review.undo_latest()
        if number % 10 == 9 or number in OUTAGE:
            run_tasks()
        if number == OUTAGE[-1]:
            sandbox.faults.clear_faults()
    _settle_everything(run_tasks, advance_clock)
    failed = ApplicationAction.objects.filter(status=Status.FAILED)
    assert failed.exists(), "some clicks fell into the outage"
    for action in failed:
        review.retry(action)
    _settle_everything(run_tasks, advance_clock)
    assert not ApplicationAction.objects.filter(status__in=ApplicationAction.OPEN_STATUSES).exists()
    for application in reviewed:
        _check_outcome(application, review, sandbox, before)
    assert ApplicationAction.objects.filter(status=Status.CONFLICT).count() == 1
    assert len(review.undone) == len(UNDONE)
    done = ApplicationAction.objects.filter(status=Status.DONE)
    assert len(list_writes(sandbox)) - writes_before == done.count()
    assert Counter(a.application_id for a in done.filter(undoes=None)).most_common(1)[0][1] == 1


def _settle_everything(run_tasks: Callable[..., object], advance_clock) -> None:
    for seconds in (11, 40, 400):
        advance_clock(seconds)
        recover_lost_actions()
        run_tasks()


def _check_outcome(
    application: Application, review: LongReview, sandbox: Sandbox, before: dict[int, int]
) -> None:
    """What the portal shows is what Greenhouse has, and what was decided."""
    application.refresh_from_db()
    remote = get_sandbox_application(sandbox, application)
    assert (application.status, application.stage_remote_id) == (remote.status, remote.stage_id)
    is_conflict = ApplicationAction.objects.filter(
        application=application, status=Status.CONFLICT
    ).exists()
    if application.pk in review.undone:
        assert (remote.status, remote.stage_id) == ("active", before[application.pk])
    elif is_conflict:
        assert remote.status == "rejected", "by somebody else"
    elif review.kinds[application.pk] == "reject":
        assert remote.status == "rejected"
    else:
        assert remote.stage_id != before[application.pk]
