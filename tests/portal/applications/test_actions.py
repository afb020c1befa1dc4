"""Advance and reject: performed in Greenhouse under the person's own name."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.core import transitions
from portal.core.models import Transition
from portal.decisions.models import Decision
from portal.sync.models import Application, AtsUser, Job, RejectionReason, Stage
from tests.api_generations import any_generation
from tests.conftest import FULL_CREDENTIALS
from tests.personas import Personas

HTMX = {"HTTP_HX_REQUEST": "true"}
Status = ApplicationAction.Status


def _find_application(personas: Personas, name: str = "remy") -> Application:
    """An active application in the first stage of a job that the person may see."""
    return (
        Application.objects.filter(
            status="active",
            prospect=False,
            stage__order=0,
            job__status="open",
            job__confidential=False,
            candidate__private=False,
            job__grants__user__primary_email=f"{name}@acme.example",
        )
        .order_by("remote_id")
        .first()
    )


def _form_data(application: Application, **more: object) -> dict[str, object]:
    return {
        "key": uuid.uuid4(),
        "stage": application.stage_remote_id or "",
        "entry": application.stage_entry_id or "",
        "stage_name": application.stage_name,
        **more,
    }


def _url(kind: str, application: Application) -> str:
    return reverse(f"applications:{kind}", args=[application.pk])


def _remote_application(sandbox: Sandbox, application: Application):
    return sandbox.dataset().applications[application.remote_id]


@pytest.fixture(autouse=True)
def _send_rejections_at_once(settings) -> None:
    """The undo delay of rejections is tested in test_outbox.py."""
    settings.REJECT_UNDO_SECONDS = 0


@pytest.fixture
def remy(personas: Personas, connect, kind: str, sign_in) -> Client:
    connect(kind)
    return sign_in(personas.remy)


def _advance(client: Client, application: Application, **more: object):
    return client.post(_url("advance", application), _form_data(application, **more), **HTMX)


def _reject(client: Client, application: Application, **more: object):
    reason = RejectionReason.objects.order_by("remote_id").first()
    values = {"reason": reason.pk, "notes": "", **more}
    return client.post(_url("reject", application), _form_data(application, **values), **HTMX)


@any_generation
def test_row_polling_slows_down(
    remy: Client, personas: Personas, advance_clock: Callable[[float], None]
) -> None:
    application = _find_application(personas)
    rows = [_advance(remy, application).content.decode()]
    for seconds in (1, 3):
        advance_clock(seconds)
        rows.append(remy.get(_url("row", application)).content.decode())
    intervals = [re.findall(r'hx-trigger="every (\w+), due"', row) for row in rows]
    assert intervals == [["150ms"], ["300ms"], ["1s"]]


def test_advance_sent_under_recruiters_name(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    application = _find_application(personas)
    previous_stage = application.stage
    response = _advance(remy, application).content.decode()
    assert "Advancing…" in response
    assert 'hx-trigger="every 150ms, due"' in response
    run_tasks()
    application.refresh_from_db()
    row = remy.get(_url("row", application)).content.decode()
    assert application.stage.order > previous_stage.order
    assert _remote_application(sandbox, application).stage_id == application.stage_remote_id
    assert "Advanced to" in row
    assert 'hx-trigger="every' not in row
    acting_user_id = AtsUser.objects.get(primary_email="remy@acme.example").remote_id
    writes = [r for r in sandbox.requests if r.method == "POST" and "/applications/" in r.path]
    assert [r.acting_user for r in writes if r.status < 300] == [acting_user_id]


def _offers_advance(client: Client, application: Application) -> bool:
    page = client.get(_url("row", application)).content.decode()
    return f'formaction="{_url("advance", application)}"' in page


@any_generation
@pytest.mark.parametrize("later_orders", [0, 1], ids=["all-equal", "later-equal"])
def test_advance_compares_stages_by_place(
    remy: Client, personas: Personas, later_orders: int
) -> None:
    application = _find_application(personas)
    stages = list(application.job.stages.filter(active=True, gone_at=None).order_by("order", "id"))
    for place, stage in enumerate(stages):
        stage.order = min(place, later_orders)
    Stage.objects.bulk_update(stages, ["order"])
    for stage in stages:
        Application.objects.filter(pk=application.pk).update(
            stage=stage, stage_remote_id=stage.remote_id
        )
        assert _offers_advance(remy, application) == (stage != stages[-1])


@any_generation
def test_advance_needs_stage(remy: Client, personas: Personas) -> None:
    application = _find_application(personas)
    assert _offers_advance(remy, application)
    rows = Application.objects.filter(pk=application.pk)
    rows.update(stage=None, stage_remote_id=None)
    assert not _offers_advance(remy, application)
    rows.update(stage=application.stage, stage_remote_id=application.stage_remote_id)
    application.job.stages.update(active=False)
    assert not _offers_advance(remy, application)


@any_generation
def test_reject_requires_reason(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    application = _find_application(personas)
    form = remy.get(_url("reject", application), **HTMX).content.decode()
    assert "Select a reason" in form
    assert "<html" not in form
    response = _reject(remy, application, reason="")
    assert response.status_code == 422
    assert "Greenhouse requires one" in response.content.decode()
    _reject(remy, application)
    run_tasks()
    application.refresh_from_db()
    assert application.status == "rejected"
    assert _remote_application(sandbox, application).status == "rejected"
    assert "Rejected." in remy.get(_url("row", application)).content.decode()


@any_generation
def test_double_click_acts_once(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    application = _find_application(personas)
    form = _form_data(application)
    for _ in range(2):
        remy.post(_url("advance", application), form, **HTMX)
    run_tasks()
    remy.post(_url("advance", application), form, **HTMX)
    run_tasks()
    assert ApplicationAction.objects.count() == 1
    application.refresh_from_db()
    assert application.stage.order == 1


@any_generation
def test_open_action_blocks_second_person(
    remy: Client, personas: Personas, sign_in, run_tasks
) -> None:
    application = _find_application(personas)
    _advance(remy, application)
    response = _advance(sign_in(personas.sam), application)
    assert response.status_code == 409
    assert "is still in progress" in response.content.decode()


@any_generation
def test_task_delivered_twice_sends_once(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    from portal.applications.tasks import send_action

    application = _find_application(personas)
    _advance(remy, application)
    run_tasks()
    send_action(ApplicationAction.objects.get().pk)
    application.refresh_from_db()
    assert application.stage.order == 1


@any_generation
def test_advance_conflicts_after_foreign_move(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    application = _find_application(personas)
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    _advance(remy, application)
    run_tasks()
    action = ApplicationAction.objects.get()
    application.refresh_from_db()
    assert action.status == Status.CONFLICT
    assert application.stage.order == 1  # moved once, by somebody else
    assert "this application changed since" in remy.get(_url("row", application)).content.decode()


@any_generation
def test_greenhouse_refusal_shown_in_row(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, kind: str
) -> None:
    connect(kind)
    vic = sign_in(personas.vic)  # may advance, not reject
    application = _find_application(personas, "vic")
    _reject(vic, application)
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == Status.REFUSED
    assert action.outcome
    assert action.outcome in vic.get(_url("row", application)).content.decode().replace(
        "&#x27;", "'"
    )
    assert _remote_application(sandbox, application).status == "active"


@any_generation
def test_lost_response_settled_by_reading(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks
) -> None:
    application = _find_application(personas)
    sandbox.faults.add_fault(regex=r"/(advance|move)$", method="POST", kind="drop_after", times=1)
    _advance(remy, application)
    run_tasks()
    action = ApplicationAction.objects.get()
    application.refresh_from_db()
    assert action.status == Status.DONE
    assert application.stage.order == 1


@any_generation
def test_lost_request_checked_then_failed(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    from portal.applications.tasks import recover_lost_actions

    application = _find_application(personas)
    sandbox.faults.add_fault(regex=r"/(advance|move)$", method="POST", kind="drop_before", times=1)
    _advance(remy, application)
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == Status.UNKNOWN
    row = remy.get(_url("row", application)).content.decode()
    assert "Greenhouse didn&#x27;t respond. Checking what happened." in row
    advance_clock(60)
    recover_lost_actions()
    run_tasks()
    action.refresh_from_db()
    assert action.status == Status.FAILED
    assert "nothing changed" in action.outcome
    assert _remote_application(sandbox, application).stage_id == application.stage_remote_id


@any_generation
def test_long_outage_fails_action(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks, quick_retries: None, settings
) -> None:
    settings.OUTBOX_RETRY_MINUTES = 0
    application = _find_application(personas)
    _advance(remy, application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == Status.FAILED
    assert "Nothing changed" in action.outcome


@any_generation
def test_queued_action_stopped_after_access_lost(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = _find_application(personas)
    _advance(remy, application)
    advance_clock(3)
    AtsUser.objects.filter(primary_email="remy@acme.example").update(deactivated=True)
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == Status.FAILED
    assert "deactivated" in action.outcome
    application.refresh_from_db()
    assert application.stage.order == 0


@any_generation
def test_sweep_recovers_lost_task(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    from django_q.brokers import get_broker

    from portal.applications.tasks import recover_lost_actions

    application = _find_application(personas)
    _advance(remy, application)
    get_broker().purge_queue()
    advance_clock(10 * 60)
    recover_lost_actions()
    run_tasks()
    assert ApplicationAction.objects.get().status == Status.DONE


@any_generation
def test_sweep_reads_outcome_after_killed_worker(
    remy: Client, personas: Personas, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    from portal.applications.tasks import recover_lost_actions

    application = _find_application(personas)
    _advance(remy, application)
    run_tasks()
    # as if the worker had died right after Greenhouse accepted the write
    ApplicationAction.objects.update(status=Status.SENDING, settled_at=None, outcome="")
    Decision.objects.all().delete()
    advance_clock(10 * 60)
    recover_lost_actions()
    run_tasks()
    application.refresh_from_db()
    assert ApplicationAction.objects.get().status == Status.DONE
    assert application.stage.order == 1


@pytest.mark.parametrize("status", ["rejected", "hired"])
@any_generation
def test_advance_refused_for_closed_application(
    remy: Client, personas: Personas, status: str
) -> None:
    application = _find_application(personas)
    Application.objects.filter(pk=application.pk).update(status=status)
    response = _advance(remy, application)
    assert response.status_code == 403
    assert f"This application is {status}" in response.content.decode()
    assert not ApplicationAction.objects.exists()


@any_generation
def test_outdated_form_reloads_row_when_closed(remy: Client, personas: Personas) -> None:
    application = _find_application(personas)
    Application.objects.filter(pk=application.pk).update(status="rejected")
    for response in (
        remy.get(_url("reject", application), **HTMX),
        remy.post(_url("reject", application), _form_data(application), **HTMX),
    ):
        row = response.content.decode()
        assert "This application is rejected in Greenhouse." in row
        assert f'hx-get="{_url("row", application)}"' in row
        assert response["HX-Retarget"] == "#action-dialog-body"


@any_generation
def test_form_error_takes_focus(remy: Client, personas: Personas) -> None:
    application = _find_application(personas)
    response = remy.post(_url("reject", application), _form_data(application), **HTMX)
    assert response.status_code == 422
    page = response.content.decode()
    assert 'class="callout tone-bad" data-take-focus' in page
    assert "data-announce" not in page, "the focus speaks it already"


@any_generation
def test_advance_works_without_javascript(remy: Client, personas: Personas, run_tasks) -> None:
    application = _find_application(personas)
    page = remy.get(reverse("applications:job_detail", args=[application.job_id])).content.decode()
    assert f'action="{_url("advance", application)}"' in page
    response = remy.post(_url("advance", application), _form_data(application))
    assert response.status_code == 302
    assert response.url.endswith(f"#application-{application.pk}")
    run_tasks()
    assert "Advanced to" in remy.get(response.url).content.decode()


@pytest.mark.parametrize("name", ["zoe", "uma", "ivy"])
@any_generation
def test_action_404_for_people_without_access(
    remy: Client, personas: Personas, sign_in, name: str
) -> None:
    application = _find_application(personas)
    stranger = sign_in(getattr(personas, name))
    for response in (
        _advance(stranger, application),
        _reject(stranger, application),
        stranger.get(_url("row", application)),
        stranger.get(_url("reject", application)),
        stranger.get(reverse("applications:job_detail", args=[application.job_id])),
    ):
        assert response.status_code == 404
    assert not ApplicationAction.objects.exists()


@any_generation
def test_reject_refuses_foreign_reason(remy: Client, personas: Personas, connect) -> None:
    from tests.factories import ConnectionFactory

    foreign_reason = RejectionReason.objects.create(
        connection=ConnectionFactory(organization=personas.zoe.organization),
        remote_id=1,
        name="Foreign",
    )
    assert _reject(remy, _find_application(personas), reason=foreign_reason.pk).status_code == 422


@any_generation
def test_job_page_names_acting_user(remy: Client, personas: Personas) -> None:
    page = remy.get(reverse("applications:job_detail", args=[_find_application(personas).job_id]))
    assert "Remy Laurent" in page.context["shown_as"]
    assert f"in Greenhouse {page.context['shown_as']}" in page.content.decode()


@any_generation
def test_job_page_query_count_stays_constant(
    remy: Client, personas: Personas, django_assert_max_num_queries
) -> None:
    job = Job.objects.get(pk=_find_application(personas).job_id)
    Application.objects.bulk_create(
        Application(
            connection_id=job.connection_id, remote_id=8_000_000 + n, job=job, status="active"
        )
        for n in range(45)
    )
    with django_assert_max_num_queries(39):
        remy.get(reverse("applications:job_detail", args=[job.pk]))


def test_long_refusal_settles_action(
    personas: Personas, sign_in, run_tasks, settings, monkeypatch
) -> None:
    """The full outcome is longer than a transition's reason may be."""
    monkeypatch.setattr(transitions, "MAX_REASON_LENGTH", 100)
    with Sandbox(seed=7, jobs=20, v1_limit=0, v3_limit=0, introspection=False) as silent:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = silent.url
        sign_in(personas.ada).post(
            reverse("onboarding:credential"), FULL_CREDENTIALS["harvest_oauth"]
        )
        run_tasks()
        application = _find_application(personas)
        message = "this may not be done by you " * 12
        silent.faults.add_fault(regex="/reject$", status=422, body={"message": message})
        _reject(sign_in(personas.remy), application)
        run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == Status.REFUSED
    assert len(action.outcome) > 100
    longest_reason = max(
        len(reason) for reason in Transition.objects.values_list("reason", flat=True)
    )
    assert longest_reason == 100
