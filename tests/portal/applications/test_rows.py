"""A requisition's rows: small, named after their person, and sent again only when they change."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.ats.errors import SLOW_SENTENCE
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, Candidate, Job, Source
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    fetch_row,
    find_application,
    get_decisions_url,
    get_latest_action,
    get_review_origin,
    reject_application,
    submit_action,
)
from tests.portal.applications.batch_helpers import (
    confirm_batch,
    first_reason_pk,
    open_bulk_page,
    pick_from_one_job,
)

MAX_PAGE_BYTES = 90_000
Status = ApplicationAction.Status


@pytest.fixture
def remy(personas: Personas, connect, sign_in) -> Client:
    connect("harvest_oauth")
    return sign_in(personas.remy)


def _job_url(job_id: int, query: str = "") -> str:
    return reverse("applications:job_detail", args=[job_id]) + query


def _fill_job(job: Job, count: int) -> None:
    """Active applications with names and sources of usual length."""
    stage = job.stages.order_by("order").first()
    source = Source.objects.create(
        connection_id=job.connection_id, remote_id=77, name="Jobs page on your website"
    )
    candidates = Candidate.objects.bulk_create(
        Candidate(
            connection_id=job.connection_id,
            remote_id=7_000_000 + number,
            first_name="Maximiliana",
            last_name=f"Achterberg-{number}",
            title="Warehouse Associate",
            company="Blue Harbor Logistics",
        )
        for number in range(count)
    )
    Application.objects.bulk_create(
        Application(
            connection_id=job.connection_id,
            remote_id=8_000_000 + number,
            job=job,
            candidate=candidate,
            stage=stage,
            stage_name=stage.name,
            stage_remote_id=stage.remote_id,
            stage_entry_id=210_000_000 + number,
            status="active",
            source=source,
            applied_at=timezone.now() - timedelta(days=40),
            entered_stage_at=timezone.now() - timedelta(days=20),
            last_activity_at=timezone.now() - timedelta(days=number + 1),
        )
        for number, candidate in enumerate(candidates)
    )


def test_page_of_fifty_rows_is_small(remy: Client) -> None:
    job = find_application().job
    Application.objects.filter(job=job).delete()
    _fill_job(job, 120)
    page = remy.get(_job_url(job.pk)).content
    assert page.count(b'<tr id="application-') == 50
    assert len(page) <= MAX_PAGE_BYTES, f"{len(page):,} bytes"


def test_row_header_is_the_persons_name(remy: Client) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    for html in (
        fetch_row(remy, application),
        remy.get(_job_url(application.job_id)).content.decode(),
    ):
        row = html[html.index(f'id="application-{application.pk}"') :]
        header = re.search(r"<th scope=\"row\".*?>(.*?)</th>", row, re.S)
        assert header
        assert re.sub(r"<[^>]+>", "", header[1]).strip() == str(application.candidate)


def test_announcements_and_buttons_name_person(remy: Client, run_tasks) -> None:
    application = find_application()
    name = str(application.candidate)
    assert f'data-announce="Advancing {name}."' in (
        submit_action(remy, "advance", application).content.decode()
    )
    run_tasks()
    row = fetch_row(remy, application)
    application.refresh_from_db()
    assert f'data-announce="{name} advanced to “{application.stage_name}”."' in row
    assert f'aria-label="Undo advance of {name}"' in row
    held = reject_application(remy, application).content.decode()
    assert f'data-announce="Rejecting {name} in 10 seconds. You can undo it."' in held
    assert f'aria-label="Undo rejection of {name}"' in held
    remy.post(build_action_url("cancel_action", get_latest_action().pk))
    canceled = fetch_row(remy, application)
    assert f'data-announce="Rejection of {name} canceled. Nothing was sent."' in canceled


def test_disabled_advance_names_person_and_reason(remy: Client) -> None:
    application = find_application()
    last_stage = application.job.stages.filter(active=True).order_by("order").last()
    Application.objects.filter(pk=application.pk).update(
        stage=last_stage, stage_remote_id=last_stage.remote_id, stage_name=last_stage.name
    )
    row = fetch_row(remy, application)
    button = re.search(r'<button[^>]*aria-disabled="true"[^>]*>Advance', row)
    assert button
    assert f'aria-label="Advance {application.candidate}"' in button[0]
    assert f'aria-describedby="why-{application.pk}"' in button[0]
    reason = re.search(rf'<p id="why-{application.pk}" class="([^"]*)">([^<]*)', row)
    assert reason
    assert reason[2] == "Already in the final stage."
    assert "visually-hidden" not in reason[1]


def test_packed_click_acts_as_separate_fields(remy: Client, run_tasks) -> None:
    application = find_application()
    row = fetch_row(remy, application)
    click = re.search(r'name="click" value="([^"]+)"', row)
    assert click
    url = build_action_url("advance", application.pk)
    for _ in range(2):  # a double click
        assert remy.post(url, {"click": click[1]}, **HTMX).status_code == 200
    run_tasks()
    action = ApplicationAction.objects.get()
    assert action.status == Status.DONE
    assert action.seen_stage_remote_id == application.stage_remote_id
    assert action.seen_entry_id == application.stage_entry_id
    assert action.seen_stage_name == application.stage_name


def test_packed_click_of_stale_page_is_conflict(remy: Client, run_tasks) -> None:
    application = find_application()
    click = re.search(r'name="click" value="([^"]+)"', fetch_row(remy, application))
    assert click
    submit_action(remy, "advance", application)
    run_tasks()
    remy.post(build_action_url("advance", application.pk), {"click": click[1]}, **HTMX)
    run_tasks()
    action = get_latest_action()
    assert action.status == Status.CONFLICT
    assert action.seen_stage_name == application.stage_name


@pytest.mark.parametrize(
    "click", ["", "x", "..", "00.1.2.3", "00c4eac900ea406880c3fa372848a1e8.x."]
)
def test_broken_click_is_refused(remy: Client, click: str) -> None:
    url = build_action_url("advance", find_application().pk)
    assert remy.post(url, {"click": click}, **HTMX).status_code == 422
    assert not ApplicationAction.objects.exists()


def _read_token(html: str) -> str:
    token = re.search(r"hx-vals='\{\"shown\": \"(\w+)\"\}'", html)
    assert token
    return token[1]


def test_unchanged_row_is_not_sent_again(remy: Client, advance_clock, run_tasks) -> None:
    application = find_application()
    url = build_action_url("row", application.pk)
    shown = {"shown": _read_token(reject_application(remy, application).content.decode())}
    advance_clock(5)
    assert remy.get(url, shown, **HTMX).status_code == 204
    advance_clock(6)
    assert remy.get(url, shown, **HTMX).status_code == 200
    run_tasks()
    assert "Rejected." in remy.get(url, shown, **HTMX).content.decode()


def test_row_says_when_greenhouse_is_slow(remy: Client, advance_clock) -> None:
    application = find_application()
    url = build_action_url("row", application.pk)
    submit_action(remy, "advance", application)
    claim = {"status": Status.SENDING, "sent_at": timezone.now()}  # and no answer yet
    ApplicationAction.objects.update(**claim)
    advance_clock(3.5)
    early = remy.get(url, **HTMX).content.decode()
    advance_clock(1)
    shown = {"shown": _read_token(early)}
    late = remy.get(url, shown, **HTMX).content.decode()
    assert "Advancing…" in early
    assert SLOW_SENTENCE not in early
    assert late.count(SLOW_SENTENCE) == 2  # once to be seen, once to be heard


def test_unchanged_card_is_not_sent_again(remy: Client, advance_clock) -> None:
    application = find_application()
    remy.post(reverse("applications:start_job_review", args=[application.job_id]))
    reject_application(remy, application)
    url, origin = build_action_url("review_card", application.pk), get_review_origin()
    card = remy.get(url, {"origin": origin}, **HTMX).content.decode()
    shown = {"shown": _read_token(card), "origin": origin}
    assert remy.get(url, shown, **HTMX).status_code == 204
    decisions_url = get_decisions_url()
    shown = {"shown": _read_token(remy.get(decisions_url, **HTMX).content.decode())}
    assert remy.get(decisions_url, shown, **HTMX).status_code == 204
    advance_clock(11)
    assert remy.get(url, shown | {"origin": origin}, **HTMX).status_code == 200
    assert remy.get(decisions_url, shown, **HTMX).status_code == 200


def test_unchanged_batch_is_not_sent_again(remy: Client, advance_clock) -> None:
    response = confirm_batch(remy, "advance", pick_from_one_job(3))
    shown = {"shown": _read_token(remy.get(response.url).content.decode())}
    assert remy.get(response.url, shown, **HTMX).status_code == 204
    advance_clock(11)
    assert remy.get(response.url, shown, **HTMX).status_code == 200


@pytest.mark.parametrize(("query", "is_shown"), [("", False), ("?status=", True)])
def test_status_column_only_for_several(remy: Client, query: str, is_shown: bool) -> None:
    application = find_application()
    html = remy.get(_job_url(application.job_id, query)).content.decode()
    assert ('class="cell-state"' in html) is is_shown
    page = {"HTTP_HX_CURRENT_URL": f"http://testserver{_job_url(application.job_id, query)}"}
    row = remy.get(build_action_url("row", application.pk), **HTMX, **page).content.decode()
    assert ('class="cell-state"' in row) is is_shown


def test_density_is_kept_per_person(remy: Client, personas: Personas, sign_in) -> None:
    job_id = find_application().job_id
    url = reverse("applications:row_density", args=[job_id])
    response = remy.post(url, {"compact": "yes", "list_query": "status=&evil=1"})
    assert response.url == _job_url(job_id, "?status=")
    assert "is-compact" in remy.get(_job_url(job_id)).content.decode()
    assert "is-compact" not in sign_in(personas.sam).get(_job_url(job_id)).content.decode()
    remy.post(url)
    assert "is-compact" not in remy.get(_job_url(job_id)).content.decode()


def test_caveat_is_said_once_per_page(remy: Client, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    page = remy.get(_job_url(application.job_id)).content.decode()
    assert page.count("Undo won't reverse") == 1
    assert "reverse" not in fetch_row(remy, application)


def test_more_actions_work_as_page_and_menu(remy: Client) -> None:
    application = find_application()
    url = build_action_url("more", application.pk)
    page = remy.get(url, {"list_query": "status=active"})
    menu = remy.get(url, **HTMX)
    assert menu["HX-Retarget"] == "#row-menu"
    for html in (page.content.decode(), menu.content.decode()):
        assert build_action_url("transfer", application.pk) in html
        assert build_action_url("history", application.pk) in html
    assert "<html" not in menu.content.decode()
    assert "list_query=status%3Dactive" in page.content.decode()


def test_sending_row_offers_reload_without_scripts(remy: Client) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    page = remy.get(_job_url(application.job_id)).content.decode()
    link = re.search(r'<noscript><a href="([^"]+)">Reload to see the result</a></noscript>', page)
    assert link
    assert f"#application-{application.pk}" in link[1]


def test_usual_reasons_come_first(remy: Client) -> None:
    application = find_application()
    reject_application(remy, application)
    remy.post(build_action_url("cancel_action", get_latest_action().pk))
    form = remy.get(build_action_url("reject", application.pk)).context["form"]
    (_, empty), (label, usual), *others = form.fields["reason"].choices
    assert (empty, label) == ("Select a reason", "Usual reasons")
    assert [pk for pk, _ in usual] == [first_reason_pk()]
    assert first_reason_pk() not in [pk for _, group in others for pk, _ in group]
    assert form["reason"].value() == first_reason_pk()
    batch_form = open_bulk_page(remy, "reject", pick_from_one_job(3)).context["form"]
    assert batch_form["reason"].value() is None


def test_times_without_scripts_name_their_zone(remy: Client, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    pages = (
        fetch_row(remy, application),
        remy.get(reverse("applications:my_activity")).content.decode(),
        remy.get(_job_url(application.job_id)).content.decode(),
    )
    for html in pages:
        times = re.findall(r"<time[^>]*>([^<]*)</time>", html)
        assert times
        assert all(":" not in time or time.endswith(" UTC") for time in times)


def test_form_values_still_work(remy: Client) -> None:
    application = find_application()
    url = build_action_url("advance", application.pk)
    assert remy.post(url, build_form_values(application), **HTMX).status_code == 200
