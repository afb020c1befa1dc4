"""Updates leave alone what nobody touched, whatever Greenhouse holds there."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, AtsUser, CustomField
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    build_action_url,
    build_custom_field_name,
    get_latest_action,
    get_sandbox_application,
    list_applications,
    list_writes,
)
from tests.scriptless_browser import ScriptlessBrowser

Status = ApplicationAction.Status
BUTTON = "Update .*"

ODD_VALUES: dict[str, tuple[str, Any]] = {
    "long text": ("screening_notes", "Ä word. " * 1500),
    "short text": ("available_text", "a" * 1500),
    "text with line breaks": ("available_text", "one\r\ntwo\nthree\rfour"),
    "text that starts with a line break": ("screening_notes", "\n\nLater"),
    "spaces around text": ("available_text", "  inside  "),
    "19 digits": ("years_in_the_field", 9223372036854775807),
    "1e30": ("years_in_the_field", 1e30),
    "decimal comma": ("years_in_the_field", "12,5"),
    "number in a list": ("years_in_the_field", [1, 2]),
    "number as boolean": ("years_in_the_field", True),
    "european date": ("available_from", "31/12/2026"),
    "date with time": ("available_from", "2026-12-31T10:00:00Z"),
    "date as number": ("available_from", 20261231),
    "year 0": ("available_from", "0000-00-00"),
    "vanished option": ("notice_period", "Retired"),
    "option in a list": ("notice_period", ["1 month"]),
    "option as object": ("notice_period", {"name": "1 month"}),
    "vanished options": ("languages", ["Latin", "German"]),
    "options as text": ("languages", "German, English"),
    "objects as options": ("languages", [{"id": 1}, None]),
    "yes as text": ("right_to_work_checked", "yes"),
    "text as object": ("screening_notes", {"a": [1]}),
    "text as number": ("available_text", 5.5),
}


@pytest.fixture
def remy(personas: Personas, connect, kind: str) -> ScriptlessBrowser:
    connect(kind)
    return ScriptlessBrowser(personas.remy)


@pytest.fixture
def application(remy: ScriptlessBrowser) -> Application:
    applications = (a for stage in range(4) for a in list_applications(stage=stage))
    return next(a for a in applications if a.custom and a.recruiter_id)


def _store_value(sandbox: Sandbox, application: Application, key: str, value: Any) -> None:
    """Greenhouse holds this value, and it was synced."""
    record = sandbox.dataset().applications[application.remote_id]
    custom = {**record.custom, key: {**record.custom[key], "value": value}}
    sandbox.dataset().update_record(record, custom=custom)
    application.custom = {**application.custom, key: value}
    application.save(update_fields=["custom"])


def _open_form(remy: ScriptlessBrowser, application: Application) -> None:
    remy.open_path(build_action_url("update", application.pk))


@pytest.mark.parametrize(("key", "value"), ODD_VALUES.values(), ids=ODD_VALUES)
@any_generation
def test_odd_value_kept_by_update(
    remy: ScriptlessBrowser,
    sandbox: Sandbox,
    run_tasks,
    application: Application,
    key: str,
    value: Any,
) -> None:
    touched, new = "agency_reference", "AB-12"
    if key == "available_text":
        key, touched, new = "agency_reference", "screening_notes", "Calm."
    _store_value(sandbox, application, key, value)
    _open_form(remy, application)
    remy.press_button(BUTTON, **{build_custom_field_name(touched): new})
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert list(get_latest_action().parameters["custom"]) == [touched]
    assert get_sandbox_application(sandbox, application).custom[key]["value"] == value


def test_all_odd_values_kept_by_update(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    odd_values = {
        "screening_notes": "a" * 12_000,
        "agency_reference": "b" * 1500,
        "years_in_the_field": 1e30,
        "available_from": "31/12/2026",
        "notice_period": "Retired",
        "languages": ["Latin"],
    }
    for key, value in odd_values.items():
        _store_value(sandbox, application, key, value)
    _open_form(remy, application)
    remy.press_button(BUTTON, **{build_custom_field_name("right_to_work_checked"): "true"})
    run_tasks()
    custom = get_sandbox_application(sandbox, application).custom
    assert odd_values.items() <= {key: field["value"] for key, field in custom.items()}.items()
    assert get_latest_action().parameters["custom"].keys() == {"right_to_work_checked"}
    (write,) = list_writes(sandbox)
    assert write.path.endswith(str(application.remote_id))


@any_generation
def test_deactivated_users_kept_by_update(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    """The recruiter shown is deactivated, and replaced by a colleague, while the form is open."""
    other = AtsUser.objects.exclude(pk=application.recruiter_id).filter(deactivated=False)[0]
    _open_form(remy, application)
    AtsUser.objects.filter(pk=application.recruiter_id).update(deactivated=True)
    Application.objects.filter(pk=application.pk).update(recruiter=other)
    remy.press_button(BUTTON, **{build_custom_field_name("agency_reference"): "AB-12"})
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert get_latest_action().parameters.keys() == {"custom"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("years_in_the_field", "12,5"),
        ("available_from", "31/12/2026"),
        ("screening_notes", "a" * 12_000),
        ("agency_reference", "one\ntwo"),
    ],
)
@any_generation
def test_odd_value_can_be_cleared(
    remy: ScriptlessBrowser,
    sandbox: Sandbox,
    run_tasks,
    application: Application,
    key: str,
    value: Any,
) -> None:
    _store_value(sandbox, application, key, value)
    _open_form(remy, application)
    remy.press_button(BUTTON, **{build_custom_field_name(key): ""})
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert get_sandbox_application(sandbox, application).custom[key]["value"] is None
    assert get_latest_action().parameters["custom"][key]["was"]["value"] == value


@pytest.mark.parametrize(
    ("key", "shown", "new"),
    [
        ("years_in_the_field", "12,5", "13"),
        ("available_from", "31/12/2026", "2027-01-01"),
        ("screening_notes", "a" * 12_000, "Short."),
    ],
)
@any_generation
def test_conflict_names_odd_value_shown(
    remy: ScriptlessBrowser,
    sandbox: Sandbox,
    run_tasks,
    application: Application,
    key: str,
    shown: Any,
    new: str,
) -> None:
    _store_value(sandbox, application, key, shown)
    _open_form(remy, application)
    Application.objects.filter(pk=application.pk).update(custom={})  # a sync that lags behind
    remy.press_button(BUTTON, **{build_custom_field_name(key): new})
    assert get_latest_action().parameters["custom"][key]["was"]["value"] == shown
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome


@any_generation
def test_option_removed_while_form_is_open(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    _store_value(sandbox, application, "notice_period", "1 month")
    _open_form(remy, application)
    field = CustomField.objects.get(key="notice_period")
    offered = [[pk, name] for pk, name in field.options if name != "1 month"]
    CustomField.objects.filter(pk=field.pk).update(options=offered)
    remy.press_button(BUTTON, **{build_custom_field_name("notice_period"): str(offered[-1][0])})
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert get_latest_action().parameters["custom"]["notice_period"]["was"]["value"] == "1 month"


@any_generation
def test_odd_value_survives_error_page(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    _store_value(sandbox, application, "available_from", "31/12/2026")
    _open_form(remy, application)
    Application.objects.filter(pk=application.pk).update(custom={"available_from": "2026-12-31"})
    remy.press_button(BUTTON, **{build_custom_field_name("years_in_the_field"): "many"})
    assert "Enter a number, for example" in remy.page
    remy.press_button(BUTTON, **{build_custom_field_name("years_in_the_field"): "7"})
    run_tasks()
    assert get_latest_action().parameters["custom"].keys() == {"years_in_the_field"}
