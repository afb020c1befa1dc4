"""Advance and Reject: done in Greenhouse in the person's own name, and told truly."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.core.models import Transition
from portal.mirror.models import Application, AtsUser, Job, RejectionReason
from tests.cast import Cast
from tests.conftest import FULL

HTMX = {"HTTP_HX_REQUEST": "true"}
Status = ApplicationAction.Status


def _application(cast: Cast, name: str = "remy") -> Application:
    """An active one in its job's first stage, on a job that the person may see."""
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


def _form(application: Application, **more: object) -> dict[str, object]:
    return {
        "key": uuid.uuid4(),
        "stage": application.stage_remote_id or "",
        "entry": application.stage_entry_id or "",
        "stage_name": application.stage_name,
        **more,
    }


def _url(kind: str, application: Application) -> str:
    return reverse(f"applications:{kind}", args=[application.pk])


def _truth(sandbox: Sandbox, application: Application):
    return sandbox.world().applications[application.remote_id]


@pytest.fixture(autouse=True)
def _nothing_is_held(settings) -> None:
    """The seconds in which a rejection can be taken back are tested in test_outbox.py."""
    settings.REJECT_HOLD_SECONDS = 0


@pytest.fixture
def remy(cast: Cast, connect, kind: str, sign_in) -> Client:
    connect(kind)
    return sign_in(cast.remy)


def _advance(client: Client, application: Application, **more: object):
    return client.post(_url("advance", application), _form(application, **more), **HTMX)


def _reject(client: Client, application: Application, **more: object):
    reason = RejectionReason.objects.order_by("remote_id").first()
    values = {"reason": reason.pk, "notes": "", **more}
    return client.post(_url("reject", application), _form(application, **values), **HTMX)


def test_a_row_asks_for_itself_less_often_the_longer_it_takes(
    remy: Client, cast: Cast, later: Callable[[float], None]
) -> None:
    application = _application(cast)
    rows = [_advance(remy, application).content.decode()]
    for seconds in (1, 3):
        later(seconds)
        rows.append(remy.get(_url("row", application)).content.decode())
    asks = [re.findall(r'hx-trigger="every (\w+)"', row) for row in rows]
    assert asks == [["150ms"], ["300ms"], ["1s"]]


def test_advance_moves_it_in_greenhouse_in_the_recruiters_name(
    remy: Client, cast: Cast, sandbox: Sandbox, work
) -> None:
    application = _application(cast)
    before = application.stage
    sent = _advance(remy, application).content.decode()
    assert "waiting to be sent" in sent
    assert 'hx-trigger="every 150ms"' in sent
    work()
    application.refresh_from_db()
    row = remy.get(_url("row", application)).content.decode()
    assert application.stage.order > before.order
    assert "Advanced in Greenhouse" in row
    assert 'hx-trigger="every' not in row
    acting = AtsUser.objects.get(primary_email="remy@acme.example").remote_id
    writes = [r for r in sandbox.requests if r.method == "POST" and "/applications/" in r.path]
    assert [r.acting_user for r in writes if r.status < 300] == [acting]


def test_reject_asks_for_a_reason_and_rejects_in_greenhouse(
    remy: Client, cast: Cast, sandbox: Sandbox, work
) -> None:
    application = _application(cast)
    form = remy.get(_url("reject", application), **HTMX).content.decode()
    assert "Choose a reason" in form
    assert "<html" not in form
    refused = _reject(remy, application, reason="")
    assert refused.status_code == 422
    assert "Greenhouse asks for one" in refused.content.decode()
    _reject(remy, application)
    work()
    application.refresh_from_db()
    assert application.status == "rejected"
    assert "Rejected in Greenhouse" in remy.get(_url("row", application)).content.decode()


def test_the_same_click_twice_acts_once(remy: Client, cast: Cast, sandbox: Sandbox, work) -> None:
    application = _application(cast)
    form = _form(application)
    for _ in range(2):
        remy.post(_url("advance", application), form, **HTMX)
    work()
    remy.post(_url("advance", application), form, **HTMX)
    work()
    assert ApplicationAction.objects.count() == 1
    application.refresh_from_db()
    assert application.stage.order == 1


def test_two_people_at_once_are_taken_one_after_the_other(
    remy: Client, cast: Cast, sign_in, work
) -> None:
    application = _application(cast)
    _advance(remy, application)
    second = _advance(sign_in(cast.sam), application)
    assert second.status_code == 409
    assert "has not been settled yet" in second.content.decode()


def test_a_task_delivered_twice_sends_once(
    remy: Client, cast: Cast, sandbox: Sandbox, work
) -> None:
    from portal.applications.tasks import send

    application = _application(cast)
    _advance(remy, application)
    work()
    send(ApplicationAction.objects.get().pk)
    application.refresh_from_db()
    assert application.stage.order == 1


def test_somebody_moved_it_meanwhile_is_a_conflict_and_the_row_shows_the_truth(
    remy: Client, cast: Cast, sandbox: Sandbox, work
) -> None:
    application = _application(cast)
    sandbox.mutate("move_application", application_id=application.remote_id)
    _advance(remy, application)
    work()
    action = ApplicationAction.objects.get()
    application.refresh_from_db()
    assert action.status == Status.CONFLICT
    assert application.stage.order == 1  # moved once, by somebody else
    assert "Changed meanwhile" in remy.get(_url("row", application)).content.decode()


def test_greenhouses_refusal_is_said_in_words(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, kind: str
) -> None:
    connect(kind)
    vic = sign_in(cast.vic)  # may advance, not reject
    application = _application(cast, "vic")
    _reject(vic, application)
    work()
    action = ApplicationAction.objects.get()
    assert action.status == Status.REFUSED
    assert action.outcome in vic.get(_url("row", application)).content.decode().replace(
        "&#x27;", "'"
    )
    assert _truth(sandbox, application).status == "active"


def test_an_answer_that_was_lost_after_the_deed_is_settled_by_reading(
    remy: Client, cast: Cast, sandbox: Sandbox, work
) -> None:
    application = _application(cast)
    sandbox.faults.add(regex=r"/(advance|move)$", method="POST", kind="drop_after", times=1)
    _advance(remy, application)
    work()
    action = ApplicationAction.objects.get()
    application.refresh_from_db()
    assert action.status == Status.DONE
    assert application.stage.order == 1


def test_a_write_that_never_arrived_is_checked_and_then_said(
    remy: Client, cast: Cast, sandbox: Sandbox, work, later
) -> None:
    from portal.applications.tasks import sweep

    application = _application(cast)
    sandbox.faults.add(regex=r"/(advance|move)$", method="POST", kind="drop_before", times=1)
    _advance(remy, application)
    work()
    action = ApplicationAction.objects.get()
    assert action.status == Status.UNKNOWN
    row = remy.get(_url("row", application)).content.decode()
    assert "checking with Greenhouse" in row
    later(60)
    sweep()
    work()
    action.refresh_from_db()
    assert action.status == Status.FAILED
    assert "it did not happen" in action.outcome
    assert _truth(sandbox, application).status == "active"


def test_greenhouse_down_for_too_long_changes_nothing_and_says_so(
    remy: Client, cast: Cast, sandbox: Sandbox, work, quick_retries: None, settings
) -> None:
    settings.OUTBOX_PATIENCE_MINUTES = 0
    application = _application(cast)
    _advance(remy, application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    work()
    action = ApplicationAction.objects.get()
    assert action.status == Status.FAILED
    assert "Nothing was changed" in action.outcome


def test_access_lost_while_a_click_waits_stops_it(
    remy: Client, cast: Cast, sandbox: Sandbox, work, later
) -> None:
    application = _application(cast)
    _advance(remy, application)
    later(3)
    AtsUser.objects.filter(primary_email="remy@acme.example").update(deactivated=True)
    work()
    action = ApplicationAction.objects.get()
    assert action.status == Status.FAILED
    assert "deactivated" in action.outcome
    application.refresh_from_db()
    assert application.stage.order == 0


def test_a_lost_task_is_found_by_the_sweep(
    remy: Client, cast: Cast, sandbox: Sandbox, work, later
) -> None:
    from django_q.brokers import get_broker

    from portal.applications.tasks import sweep

    application = _application(cast)
    _advance(remy, application)
    get_broker().purge_queue()
    later(10 * 60)
    sweep()
    work()
    assert ApplicationAction.objects.get().status == Status.DONE


def test_a_worker_killed_while_sending_is_read_not_repeated(
    remy: Client, cast: Cast, sandbox: Sandbox, work, later
) -> None:
    from portal.applications.tasks import sweep

    application = _application(cast)
    _advance(remy, application)
    work()
    # as if the worker had died right after Greenhouse did it
    ApplicationAction.objects.update(status=Status.SENDING, settled_at=None, outcome="")
    later(10 * 60)
    sweep()
    work()
    application.refresh_from_db()
    assert ApplicationAction.objects.get().status == Status.DONE
    assert application.stage.order == 1


@pytest.mark.parametrize("status", ["rejected", "hired"])
def test_what_makes_no_sense_is_off_with_the_reason(remy: Client, cast: Cast, status: str) -> None:
    application = _application(cast)
    Application.objects.filter(pk=application.pk).update(status=status)
    answer = _advance(remy, application)
    assert answer.status_code == 403
    assert f"This application is {status}" in answer.content.decode()
    assert not ApplicationAction.objects.exists()


@pytest.mark.parametrize(
    ("missing", "kind_of_action"),
    [("applications.reject", "reject"), ("rejection_reasons.list", "reject"),
     ("applications.advance", "advance")],
)  # fmt: skip
def test_a_missing_permission_switches_off_exactly_its_button(
    connect, cast: Cast, sign_in, kind: str, missing: str, kind_of_action: str
) -> None:
    connect(kind, without={missing})
    remy = sign_in(cast.remy)
    application = _application(cast)
    offers = remy.get(_url("row", application)).context["row"].offers
    off = {o.kind: o.why_not for o in offers if not o.allowed}
    # With OAuth one scope stands for advance, move and transfer.
    also = {"move", "transfer"} if (kind, kind_of_action) == ("harvest_oauth", "advance") else set()
    assert set(off) == {kind_of_action} | also
    assert "lacks" in off[kind_of_action]


def test_a_form_that_makes_no_sense_any_more_leads_back_to_the_row(
    remy: Client, cast: Cast
) -> None:
    application = _application(cast)
    Application.objects.filter(pk=application.pk).update(status="rejected")
    for answer in (
        remy.get(_url("reject", application), **HTMX),
        remy.post(_url("reject", application), _form(application), **HTMX),
    ):
        row = answer.content.decode()
        assert "This application is rejected in Greenhouse." in row
        assert f'hx-get="{_url("row", application)}"' in row
        assert "Cancel</a>" in row


def test_an_error_in_a_form_is_spoken(remy: Client, cast: Cast) -> None:
    application = _application(cast)
    answer = remy.post(_url("reject", application), _form(application), **HTMX)
    assert answer.status_code == 422
    assert 'class="callout tone-bad" data-take-focus data-announce' in answer.content.decode()


def test_without_javascript_a_click_is_a_plain_form_and_comes_back_to_the_row(
    remy: Client, cast: Cast, work
) -> None:
    application = _application(cast)
    page = remy.get(reverse("applications:of_job", args=[application.job_id])).content.decode()
    assert f'action="{_url("advance", application)}"' in page
    answer = remy.post(_url("advance", application), _form(application))
    assert answer.status_code == 302
    assert answer.url.endswith(f"#application-{application.pk}")
    work()
    assert "Advanced in Greenhouse" in remy.get(answer.url).content.decode()


@pytest.mark.parametrize("who", ["zoe", "uma", "ivy"])
def test_who_may_not_see_it_can_do_nothing_with_it(
    remy: Client, cast: Cast, sign_in, who: str
) -> None:
    application = _application(cast)
    stranger = sign_in(getattr(cast, who))
    for answer in (
        _advance(stranger, application),
        _reject(stranger, application),
        stranger.get(_url("row", application)),
        stranger.get(_url("reject", application)),
        stranger.get(reverse("applications:of_job", args=[application.job_id])),
    ):
        assert answer.status_code == 404
    assert not ApplicationAction.objects.exists()


def test_a_reason_of_another_organization_is_not_accepted(
    remy: Client, cast: Cast, connect
) -> None:
    from tests.factories import ConnectionFactory

    foreign = RejectionReason.objects.create(
        connection=ConnectionFactory(organization=cast.zoe.organization),
        remote_id=1,
        name="Foreign",
    )
    assert _reject(remy, _application(cast), reason=foreign.pk).status_code == 422


def test_the_page_says_in_whose_name_greenhouse_will_show_it(remy: Client, cast: Cast) -> None:
    page = remy.get(reverse("applications:of_job", args=[_application(cast).job_id]))
    assert "Remy Laurent" in page.content.decode()


def test_the_number_of_queries_does_not_grow_with_the_applications(
    remy: Client, cast: Cast, django_assert_max_num_queries
) -> None:
    job = Job.objects.get(pk=_application(cast).job_id)
    Application.objects.bulk_create(
        Application(
            connection_id=job.connection_id, remote_id=8_000_000 + n, job=job, status="active"
        )
        for n in range(45)
    )
    with django_assert_max_num_queries(30):
        remy.get(reverse("applications:of_job", args=[job.pk]))


def test_a_long_refusal_is_kept_whole_enough_and_settles_the_action(
    cast: Cast, sign_in, work, settings
) -> None:
    """Greenhouse's words and ours together are longer than a transition's reason may be."""
    with Sandbox(seed=7, jobs=20, v1_limit=0, v3_limit=0, introspection=False) as silent:
        settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = silent.url
        sign_in(cast.ada).post(reverse("onboarding:credential"), FULL["harvest_oauth"])
        work()
        application = _application(cast)
        words = "this may not be done by you " * 12
        silent.faults.add(regex="/reject$", status=403, body={"message": words})
        _reject(sign_in(cast.remy), application)
        work()
    action = ApplicationAction.objects.get()
    assert action.status == Status.REFUSED
    assert len(action.outcome) > 300
    longest = max(len(why) for why in Transition.objects.values_list("why", flat=True))
    assert longest <= Transition._meta.get_field("why").max_length
