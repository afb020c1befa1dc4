"""An application's own page: one link for a colleague, and nothing for anybody else."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.connections.models import PermissionCheck
from portal.sync.models import Application, Candidate, Job, JobGrant
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    find_application,
    get_latest_action,
    get_sandbox_application,
    list_applications,
)
from tests.portal.applications.test_greenhouse_details import SLOW
from tests.stable_page import read_stable_page

ORIGIN = {"origin": "applicant"}
UNKNOWN_PK = 10**9


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


def _build_url(application: Application) -> str:
    return build_action_url("applicant", application.pk)


def _read(client: Client, url: str) -> str:
    page_html: str = client.get(url).content.decode()
    return page_html


@any_generation
def test_page_shows_application(remy: Client) -> None:
    application = next(a for a in list_applications() if a.answers)
    page = _read(remy, _build_url(application))
    assert f"<title>{application.candidate} · {application.job.name} ·" in page
    assert application.answers[0]["question"] in page
    assert "Nothing here" not in page
    for name in ("contact", "resume", "stage_history"):
        assert f'hx-get="{build_action_url(name, application.pk)}' in page
    assert f'href="{build_action_url("contact", application.pk)}">Load details</a>' in page


@any_generation
def test_page_never_asks_greenhouse(remy: Client, sandbox: Sandbox) -> None:
    application = find_application()
    count = len(sandbox.requests)
    assert remy.get(_build_url(application)).status_code == 200
    assert len(sandbox.requests) == count


@any_generation
def test_names_link_to_page(remy: Client) -> None:
    application = find_application()
    link = f'href="{_build_url(application)}"'
    job_url = reverse("applications:job_detail", args=[application.job_id])
    assert link in _read(remy, f"{job_url}?application={application.pk}")
    found = _read(remy, f"{reverse('jobs:list')}?q={application.candidate.last_name}")
    assert "/applications/" in found
    values = {"status": "active", "stage": ""}
    review = remy.post(
        reverse("applications:start_job_review", args=[application.job_id]), values, follow=True
    )
    reviewed = review.context["application"]
    assert f'href="{_build_url(reviewed)}"' in review.content.decode()
    remy.post(build_action_url("advance", application.pk), build_form_values(application))
    assert link in _read(remy, reverse("applications:my_activity"))


def _make_confidential(application: Application) -> None:
    Job.objects.filter(pk=application.job_id).update(confidential=True)
    JobGrant.objects.filter(job=application.job_id).update(gone_at=timezone.now())


def _close_job(application: Application) -> None:
    Job.objects.filter(pk=application.job_id).update(status="closed")


def _revoke_grant(application: Application) -> None:
    JobGrant.objects.filter(job=application.job_id).update(gone_at=timezone.now())


def _make_private(application: Application) -> None:
    Candidate.objects.filter(pk=application.candidate_id).update(private=True)


def _remove_application(application: Application) -> None:
    Application.objects.filter(pk=application.pk).update(gone_at=timezone.now())


LOSSES = [_make_confidential, _close_job, _revoke_grant, _make_private, _remove_application]


@any_generation
@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("name", ["applicant", "applicant_card", "contact"])
def test_lost_application_equals_made_up(remy: Client, lose, name: str) -> None:
    application = find_application()
    assert remy.get(build_action_url(name, application.pk)).status_code == 200
    lose(application)
    lost = remy.get(build_action_url(name, application.pk))
    made_up = remy.get(build_action_url(name, UNKNOWN_PK))
    assert lost.status_code == made_up.status_code == 404
    assert read_stable_page(lost) == read_stable_page(made_up)


@any_generation
@pytest.mark.parametrize("person", ["uma", "dana", "ivy", "zoe", "vic"])
def test_stranger_finds_made_up_page(
    remy: Client, personas: Personas, sign_in, person: str
) -> None:
    application = find_application()
    JobGrant.objects.filter(job=application.job_id, user__name__icontains="vic").delete()
    stranger = sign_in(getattr(personas, person))
    refused, made_up = (
        stranger.get(build_action_url("applicant", pk)) for pk in (application.pk, UNKNOWN_PK)
    )
    assert refused.status_code == made_up.status_code == 404
    assert read_stable_page(refused) == read_stable_page(made_up)


@any_generation
def test_others_shown_only_if_visible(remy: Client) -> None:
    first, second = list_applications()[:2]
    Application.objects.filter(pk=second.pk).update(candidate=first.candidate)
    hidden = Application.objects.exclude(job__in=[a.job_id for a in list_applications()]).first()
    assert hidden is not None
    Application.objects.filter(pk=hidden.pk).update(candidate=first.candidate)
    page = _read(remy, _build_url(first))
    assert f'href="{_build_url(second)}"' in page
    assert f'href="{_build_url(hidden)}"' not in page
    Application.objects.filter(pk=second.pk).update(candidate=second.candidate)
    assert "Other applications" not in _read(remy, _build_url(first))


@any_generation
def test_query_count_is_constant(remy: Client, django_assert_max_num_queries) -> None:
    application = find_application()
    others = [a.pk for a in list_applications() if a.pk != application.pk][:15]
    remy.get(_build_url(application))
    with django_assert_max_num_queries(24) as few:
        remy.get(_build_url(application))
    count = len(few)
    Application.objects.filter(pk__in=others).update(candidate=application.candidate)
    _create_actions(application, remy)
    with django_assert_max_num_queries(count + 5):
        remy.get(_build_url(application))


def _create_actions(application: Application, client: Client) -> None:
    client.post(build_action_url("advance", application.pk), build_form_values(application))
    action = get_latest_action()
    ApplicationAction.objects.filter(pk=action.pk).update(status="failed")
    for _ in range(5):
        action.pk, action.key, action.status = None, uuid4(), "failed"
        action.save(force_insert=True)


# -- acting --------------------------------------------------------------------------------------


@any_generation
def test_advance_returns_to_page(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    response = remy.post(
        build_action_url("advance", application.pk), build_form_values(application, **ORIGIN)
    )
    assert response.url == f"{_build_url(application)}#decision"
    busy = _read(remy, _build_url(application))
    assert f'hx-get="{build_action_url("applicant_card", application.pk)}"' in busy
    run_tasks()
    card = remy.get(build_action_url("applicant_card", application.pk), **HTMX).content.decode()
    assert "Advanced to" in card
    assert 'id="undo-' in card
    assert "hx-trigger" not in card
    assert 'name="origin" value="applicant"' in card


@any_generation
def test_held_rejection_undone_on_page(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    form = _read(remy, f"{build_action_url('reject', application.pk)}?origin=applicant")
    assert f'href="{_build_url(application)}#decision">Cancel' in re.sub(r"\s+", " ", form).replace(
        " >", ">"
    )
    reason = re.search(r'name="reason".*?<option value="(\d+)"', form, re.S)
    assert reason
    values = build_form_values(application, reason=reason[1], **ORIGIN)
    page = remy.post(build_action_url("reject", application.pk), values, follow=True)
    assert "Rejecting" in page.content.decode()
    undone = remy.post(build_action_url("cancel_action", get_latest_action().pk), ORIGIN)
    assert undone.url == f"{_build_url(application)}#decision"
    assert "canceled. Nothing was sent." in _read(remy, _build_url(application))
    assert get_sandbox_application(sandbox, application).status == "active"


@any_generation
def test_conflict_is_shown_on_page(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    remy.post(build_action_url("advance", application.pk), build_form_values(application, **ORIGIN))
    run_tasks()
    page = _read(remy, _build_url(application))
    assert "this application changed since you opened it" in page
    assert "Advance from “" in page


@any_generation
def test_card_of_lost_application_shows_outcome(remy: Client, run_tasks) -> None:
    application = find_application()
    remy.post(build_action_url("advance", application.pk), build_form_values(application, **ORIGIN))
    _revoke_grant(application)
    card = remy.get(build_action_url("applicant_card", application.pk), **HTMX).content.decode()
    assert "This is no longer available to you." in card
    assert str(application.candidate) not in card


@any_generation
@pytest.mark.parametrize(
    ("name", "permission"),
    [("contact", "candidates.list"), ("stage_history", "application_stages.list")],
)
def test_missing_permission_names_who_can_grant_it(
    remy: Client, personas: Personas, name: str, permission: str
) -> None:
    application = find_application()
    updated = PermissionCheck.objects.filter(permission=permission).update(outcome="missing")
    part = remy.get(build_action_url(name, application.pk), **HTMX).content.decode()
    if updated:
        assert f"Ask {personas.ada.user} to fix it in Setup." in part
    assert "harvest:" not in part


# -- contact -------------------------------------------------------------------------------------


@any_generation
def test_contact_comes_fresh_from_greenhouse(remy: Client, sandbox: Sandbox) -> None:
    application = find_application()
    person = sandbox.dataset().candidates[application.candidate.remote_id]
    person.emails = [{"value": "fresh@mail.example", "type": "personal"}]
    person.phones = [{"value": "+1 555 0100", "type": "mobile"}]
    person.websites = [{"value": "https://site.example/me", "type": "portfolio"}]
    person.social = [{"value": "social.example/me"}, {"value": "javascript:alert(1)"}]
    url = build_action_url("contact", application.pk)
    response = remy.get(url, **HTMX)
    part = response.content.decode()
    assert 'href="mailto:fresh@mail.example"' in part
    assert "+1 555 0100" in part
    assert 'href="https://site.example/me"' in part
    assert 'href="https://social.example/me"' in part
    assert 'href="javascript' not in part
    assert response["Cache-Control"] == "no-store"
    assert "<html" in _read(remy, url)


@any_generation
def test_contact_says_greenhouse_is_slow(remy: Client, sandbox: Sandbox, settings) -> None:
    settings.WEB_DEADLINE_SECONDS = 0.2
    sandbox.faults.add_fault(latency_ms=1500, times=None)
    part = remy.get(build_action_url("contact", find_application().pk), **HTMX).content.decode()
    assert SLOW in part
    assert 'hx-trigger="load delay:' in part


@any_generation
def test_contact_of_newly_private_is_hidden(remy: Client, sandbox: Sandbox) -> None:
    application = find_application()
    person = sandbox.dataset().candidates[application.candidate.remote_id]
    person.private, person.emails = True, [{"value": "fresh@mail.example", "type": "personal"}]
    page = _read(remy, build_action_url("contact", application.pk))
    assert "fresh@mail.example" not in page
