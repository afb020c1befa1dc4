"""Updates of an application's source, recruiter and custom fields."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations.ats.client_context import Lane
from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.connections.client import open_interactive_provider
from portal.sync.models import Application, AtsUser, CustomField, Source
from portal.sync.records.record_refresh import refresh_application
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_custom_field_name,
    build_form_values,
    fetch_row,
    get_latest_action,
    get_sandbox_application,
    list_applications,
    submit_action,
)

Status = ApplicationAction.Status


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@pytest.fixture
def application(remy: Client) -> Application:
    """An application with custom field values."""
    return _find_with_notice("1 month")


def _find_with_notice(notice: str, **values: object) -> Application:
    wanted = {"notice_period": notice, **values}
    candidates = (
        application for stage in range(4) for application in list_applications(stage=stage)
    )
    return next(
        application
        for application in candidates
        if wanted.items() <= {key: application.custom.get(key) for key in wanted}.items()
    )


def _option_pks(key: str, *names: str) -> list[int]:
    return [pk for pk, name in CustomField.objects.get(key=key).options if name in names]


def _get_form(client: Client, application: Application) -> Any:
    return client.get(build_action_url("update", application.pk), **HTMX).context["form"]


def _fill_form(client: Client, application: Application, **changes: object) -> dict[str, Any]:
    """What a browser sends: every field as rendered, except for the changes."""
    values: dict[str, Any] = {}
    for bound_field in _get_form(client, application):
        if bound_field.name in ("key", "stage", "entry", "stage_name"):
            continue
        value = bound_field.value()
        values[bound_field.html_name] = "" if value is None else value
        values[bound_field.html_initial_name] = values[bound_field.html_name]
    return values | changes


def _remote_values(sandbox: Sandbox, application: Application) -> dict[str, Any]:
    return {
        key: field["value"]
        for key, field in get_sandbox_application(sandbox, application).custom.items()
    }


EXPECTED_VALUES = {
    "notice_period": "3 months",
    "available_from": "2027-09-30",
    "right_to_work_checked": False,
    "years_in_the_field": 7.5,
    "languages": ["French", "Spanish"],
    "agency_reference": "AB-12",
    "screening_notes": "Calm.\nAsks good questions.",
}


def _new_values() -> dict[str, object]:
    return {
        build_custom_field_name("notice_period"): _option_pks("notice_period", "3 months")[0],
        build_custom_field_name("available_from"): "2027-09-30",
        build_custom_field_name("right_to_work_checked"): "false",
        build_custom_field_name("years_in_the_field"): "7.5",
        build_custom_field_name("languages"): _option_pks("languages", "French", "Spanish"),
        build_custom_field_name("agency_reference"): "AB-12",
        build_custom_field_name("screening_notes"): "Calm.\r\nAsks good questions.",
    }


def test_custom_field_update_shown_and_undone(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = _find_with_notice("1 month", right_to_work_checked=True, years_in_the_field=None)
    before = _remote_values(sandbox, application)
    response = submit_action(
        remy, "update", application, **_fill_form(remy, application, **_new_values())
    )
    assert response.status_code == 200, response.content.decode()
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert EXPECTED_VALUES.items() <= _remote_values(sandbox, application).items()
    history = remy.get(build_action_url("history", application.pk)).content.decode()
    assert "Notice period: “1 month” → “3 months”" in history
    assert "Years in the field: empty → “7.5”" in history
    assert "Right to work checked: “Yes” → “No”" in history
    remy.post(build_action_url("undo_action", get_latest_action().pk), **HTMX)
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert _remote_values(sandbox, application) == before


def test_update_sends_only_changed_fields(
    remy: Client, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    values = _fill_form(remy, application, **{build_custom_field_name("agency_reference"): "AB-12"})
    # A sync changes another field while the form is open.
    record = sandbox.dataset().applications[application.remote_id]
    custom = {
        **record.custom,
        "available_from": {**record.custom["available_from"], "value": "2028-01-01"},
    }
    sandbox.dataset().update_record(record, custom=custom)
    Application.objects.filter(pk=application.pk).update(
        custom={**application.custom, "available_from": "2028-01-01"}
    )
    submit_action(remy, "update", application, **values)
    run_tasks()
    assert get_latest_action().status == Status.DONE
    assert _remote_values(sandbox, application)["available_from"] == "2028-01-01"
    assert _remote_values(sandbox, application)["agency_reference"] == "AB-12"


@any_generation
def test_update_errors_shown_beside_fields(remy: Client, application: Application) -> None:
    bad_values = {
        build_custom_field_name("available_from"): "soon",
        build_custom_field_name("years_in_the_field"): "many",
        build_custom_field_name("notice_period"): "",
        build_custom_field_name("languages"): [10**9],
    }
    response = submit_action(
        remy, "update", application, **_fill_form(remy, application, **bad_values)
    )
    assert response.status_code == 422
    form = response.context["form"]
    assert form.errors.keys() == bad_values.keys()
    page = response.content.decode()
    assert "Enter a date, for example" in page
    assert "Enter a number, for example" in page
    assert "Greenhouse requires a value here" in page
    assert not ApplicationAction.objects.exists()


@any_generation
def test_update_without_changes_rejected(remy: Client, application: Application) -> None:
    response = submit_action(remy, "update", application, **_fill_form(remy, application))
    assert response.status_code == 422
    assert "No changes yet" in response.content.decode()
    assert not ApplicationAction.objects.exists()


def test_update_can_clear_field(
    remy: Client, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    submit_action(
        remy,
        "update",
        application,
        **_fill_form(remy, application, **{build_custom_field_name("available_from"): ""}),
    )
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert not _remote_values(sandbox, application)["available_from"]
    assert "Available from is now empty" in fetch_row(remy, application)


def test_private_custom_fields_hidden(remy: Client, application: Application) -> None:
    form = remy.get(build_action_url("update", application.pk), **HTMX)
    page = form.content.decode()
    assert "Can only be changed in Greenhouse" in page
    assert "Salary expectation" in page
    assert "EUR" in page
    for text in ("Panel", "Asked for a higher level", "Fax number", "Desired Salary"):
        assert text not in page
    assert "panels_concerns" not in application.custom
    assert not any("salary" in name for name in form.context["form"].fields)


def test_removed_option_reported_and_kept(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = _find_with_notice("Retired")
    page = remy.get(build_action_url("update", application.pk), **HTMX).content.decode()
    assert "Currently “Retired”, which is no longer an option" in page
    submit_action(
        remy,
        "update",
        application,
        **_fill_form(remy, application, **{build_custom_field_name("agency_reference"): "AB-12"}),
    )
    run_tasks()
    assert _remote_values(sandbox, application)["notice_period"] == "Retired"
    changes = {build_custom_field_name("notice_period"): _option_pks("notice_period", "2 weeks")[0]}
    application.refresh_from_db()
    submit_action(remy, "update", application, **_fill_form(remy, application, **changes))
    run_tasks()
    assert get_latest_action().status == Status.DONE
    assert "The previous option no longer exists" in fetch_row(remy, application)
    assert (
        remy.post(build_action_url("undo_action", get_latest_action().pk), **HTMX).status_code
        == 409
    )


@any_generation
def test_field_conflict_can_be_retried(
    remy: Client, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    record = sandbox.dataset().applications[application.remote_id]
    foreign_value = {**record.custom["notice_period"], "value": "2 weeks"}
    sandbox.dataset().update_record(
        record, custom={**record.custom, "notice_period": foreign_value}
    )
    changes = {
        build_custom_field_name("notice_period"): _option_pks("notice_period", "3 months")[0]
    }
    submit_action(remy, "update", application, **_fill_form(remy, application, **changes))
    run_tasks()
    assert get_latest_action().status == Status.CONFLICT
    assert _remote_values(sandbox, application)["notice_period"] == "2 weeks"
    row = " ".join(fetch_row(remy, application).split())
    assert "Notice period was “1 month”; it's now “2 weeks”" in row
    remy.post(
        build_action_url("retry_action", get_latest_action().pk),
        build_form_values(application),
        **HTMX,
    )
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert _remote_values(sandbox, application)["notice_period"] == "3 months"


@any_generation
def test_too_long_number_is_refused(remy: Client, application: Application) -> None:
    number = {build_custom_field_name("years_in_the_field"): "1e30"}
    response = submit_action(remy, "update", application, **_fill_form(remy, application, **number))
    assert response.status_code == 422
    assert "Use at most 18 digits." in response.content.decode()


@pytest.mark.parametrize("field", ["source", "notice_period"])
@any_generation
def test_update_conflicts_with_change_since_form(
    remy: Client, sandbox: Sandbox, run_tasks, application: Application, field: str
) -> None:
    own_choice, foreign_choice = Source.objects.exclude(pk=application.source_id).order_by("pk")[:2]
    record = sandbox.dataset().applications[application.remote_id]
    if field == "source":
        screen = _fill_form(remy, application, source=own_choice.pk)
        sandbox.dataset().update_record(record, source_id=foreign_choice.remote_id)
    else:
        chosen = _option_pks("notice_period", "3 months")[0]
        screen = _fill_form(remy, application, **{build_custom_field_name("notice_period"): chosen})
        foreign_value = {**record.custom["notice_period"], "value": "2 weeks"}
        sandbox.dataset().update_record(
            record, custom={**record.custom, "notice_period": foreign_value}
        )
    with open_interactive_provider(application.connection.credential, lane=Lane.PEOPLE) as provider:
        refresh_application(application.connection, provider, application.remote_id)
    submit_action(remy, "update", application, **screen)
    run_tasks()
    assert get_latest_action().status == Status.CONFLICT, get_latest_action().outcome
    row = " ".join(fetch_row(remy, application).split())
    if field == "source":
        assert get_sandbox_application(sandbox, application).source_id == foreign_choice.remote_id
        assert f"it's now “{foreign_choice.name}”" in row
    else:
        assert _remote_values(sandbox, application)["notice_period"] == "2 weeks"
        assert "Notice period was “1 month”; it's now “2 weeks”" in row


@any_generation
def test_field_conflict_not_called_moved(
    remy: Client, personas: Personas, application: Application
) -> None:
    ApplicationAction.objects.create(
        application=application, membership=personas.remy, kind="update", status="conflict"
    )
    page = remy.get(reverse("applications:my_activity")).content.decode()
    assert "Application changed" in page
    assert "Moved meanwhile" not in page


@any_generation
def test_candidate_erasure_clears_action_data(
    remy: Client, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    submit_action(
        remy,
        "update",
        application,
        **_fill_form(remy, application, **{build_custom_field_name("agency_reference"): "AB-12"}),
    )
    run_tasks()
    from portal.sync.records import candidate_erasure

    candidate_erasure.erase_candidates(application.connection, [application.candidate.remote_id])
    action = ApplicationAction.objects.get()
    assert "AB-12" not in f"{action.parameters} {action.outcome} {action.notes}"
    assert action.outcome == "Updated."
    application.refresh_from_db()
    assert application.custom == {}


def test_custom_fields_need_read_permission(
    connect, personas: Personas, sign_in, kind: str
) -> None:
    connect(kind, without={"custom_fields.list"})
    form = _get_form(sign_in(personas.remy), list_applications()[0])
    assert not form.custom
    assert not CustomField.objects.exists()


def test_source_and_recruiter_update_undone(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = next(a for a in list_applications() if a.source_id and a.recruiter_id)
    source = Source.objects.exclude(pk=application.source_id).first()
    recruiter = AtsUser.objects.get(primary_email="sam@acme.example")
    original = get_sandbox_application(sandbox, application)
    original = (original.source_id, original.recruiter_id)
    submit_action(remy, "update", application, source=source.pk, recruiter=recruiter.pk)
    run_tasks()
    current = get_sandbox_application(sandbox, application)
    assert (current.source_id, current.recruiter_id) == (source.remote_id, recruiter.remote_id)
    assert f"source is now {source.name}" in fetch_row(remy, application)
    assert (
        build_action_url("undo_action", get_latest_action().pk)
        in remy.get("/activity/").content.decode()
    )
    remy.post(build_action_url("undo_action", get_latest_action().pk), **HTMX)
    run_tasks()
    current = get_sandbox_application(sandbox, application)
    assert (current.source_id, current.recruiter_id) == original


@any_generation
def test_update_of_empty_field_has_no_undo(remy: Client, run_tasks) -> None:
    application = next(a for a in list_applications() if not a.recruiter_id)
    recruiter = AtsUser.objects.get(primary_email="sam@acme.example")
    submit_action(remy, "update", application, recruiter=recruiter.pk)
    run_tasks()
    row = fetch_row(remy, application)
    assert build_action_url("undo_action", get_latest_action().pk) not in row
    assert "A field that was empty before can" in row
