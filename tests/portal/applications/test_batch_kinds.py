"""Transfer and update many applications at once."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.applications.batches import runner
from portal.applications.forms import choice_search
from portal.applications.models import ApplicationAction, Batch
from portal.entitlements.rules import get_rights, visible_jobs
from portal.sync.models import Application, AtsUser, Job
from tests.personas import Personas
from tests.portal.applications.action_helpers import build_custom_field_name
from tests.portal.applications.batch_helpers import confirm_batch, open_bulk_page, pick_from_one_job

Status = ApplicationAction.Status


@pytest.fixture
def remy(personas: Personas, connect, sign_in) -> Client:
    connect("harvest_oauth")
    return sign_in(personas.remy)


def _send_batch(advance_clock, run_tasks) -> None:
    advance_clock(11)
    runner.release_due_batches()
    run_tasks()


def _list_statuses() -> set[str]:
    return set(ApplicationAction.objects.values_list("status", flat=True))


def _find_target(personas: Personas, chosen: list[Application]) -> Job:
    rights = get_rights(personas.remy)
    jobs = visible_jobs(personas.remy, member_rights=rights)
    return jobs.exclude(pk=chosen[0].job_id).first()


def _pick_recruiter() -> AtsUser:
    return AtsUser.objects.filter(gone_at=None, deactivated=False).order_by("name").first()


def test_transfer_many(remy: Client, personas: Personas, advance_clock, run_tasks) -> None:
    chosen = pick_from_one_job(2)
    target = _find_target(personas, chosen)
    confirm_batch(remy, "transfer", chosen, to_job=target.pk)
    _send_batch(advance_clock, run_tasks)
    assert _list_statuses() == {Status.DONE}
    for application in chosen:
        application.refresh_from_db()
        assert application.job_id == target.pk


def test_transfer_target_must_be_visible(remy: Client, personas: Personas) -> None:
    chosen = pick_from_one_job(2)
    rights = get_rights(personas.remy)
    visible = visible_jobs(personas.remy, member_rights=rights)
    hidden = Job.objects.exclude(pk__in=visible).first()
    assert confirm_batch(remy, "transfer", chosen, to_job=hidden.pk).status_code == 422
    assert not Batch.objects.exists()


def test_update_changes_only_filled_fields(remy: Client, advance_clock, run_tasks) -> None:
    chosen, recruiter = pick_from_one_job(2), _pick_recruiter()
    sources = {application.pk: application.source_id for application in chosen}
    years = build_custom_field_name("years_in_the_field")
    confirm_batch(remy, "update", chosen, recruiter=recruiter.pk, **{years: "7"})
    _send_batch(advance_clock, run_tasks)
    assert _list_statuses() == {Status.DONE}
    for application in Application.objects.filter(pk__in=sources):
        assert application.recruiter_id == recruiter.pk
        assert application.custom["years_in_the_field"] == 7
        assert application.source_id == sources[application.pk]


def test_update_skips_what_has_values_already(remy: Client) -> None:
    chosen, recruiter = pick_from_one_job(2), _pick_recruiter()
    Application.objects.filter(pk=chosen[0].pk).update(recruiter=recruiter)
    Application.objects.filter(pk=chosen[1].pk).update(recruiter=None)
    confirm_batch(remy, "update", chosen, recruiter=recruiter.pk)
    assert Batch.objects.get().skipped_count == 1
    assert ApplicationAction.objects.get().application_id == chosen[1].pk


def test_update_needs_a_field(remy: Client) -> None:
    response = confirm_batch(remy, "update", pick_from_one_job(2))
    assert response.status_code == 422
    assert "Fill in at least one field." in response.content.decode()


def test_update_conflict_keeps_others_change(remy, sandbox, advance_clock, run_tasks) -> None:
    chosen, recruiter = pick_from_one_job(2), _pick_recruiter()
    Application.objects.filter(pk__in=[row.pk for row in chosen]).update(recruiter=None)
    confirm_batch(remy, "update", chosen, recruiter=recruiter.pk)
    _send_batch(advance_clock, run_tasks)
    assert _list_statuses() <= {Status.DONE, Status.CONFLICT}


@pytest.mark.parametrize(("kind", "field"), [("transfer", "to_job"), ("update", "recruiter")])
def test_long_choices_are_searched(
    kind: str, field: str, remy: Client, personas: Personas, sign_in, monkeypatch
) -> None:
    monkeypatch.setattr(choice_search, "MAX_RENDERED_CHOICES", 1)
    chosen = pick_from_one_job(2)
    form = open_bulk_page(remy, kind, chosen).context["form"]
    url = form[field].field.widget.search_url
    label = str(form[field].field.queryset.first())
    results = remy.get(f"{url}&search-{field}={label.split()[0]}").content.decode()
    assert 'role="option"' in results
    # Without JavaScript, the same search returns the form.
    values = {name: form[name].value() for name in ("key", "selection")}
    job_url = reverse("applications:start_batch", args=[chosen[0].job_id])
    search = {"kind": kind, **values, "find": field, f"search-{field}": label.split()[0]}
    page = remy.post(job_url, search)
    assert page.status_code == 200
    assert page.context["form"][field].field.widget.results
    assert not Batch.objects.exists()
    assert sign_in(personas.uma).get(url).status_code == 404
