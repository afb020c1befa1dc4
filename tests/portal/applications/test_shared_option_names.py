"""Two options of a select may have one name: the one that was chosen is sent."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.dataset.records import CustomFieldOption
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, CustomField
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    build_action_url,
    build_custom_field_name,
    get_latest_action,
    list_applications,
)
from tests.scriptless_browser import ScriptlessBrowser

Status = ApplicationAction.Status
BUTTON = "Update .*"


@pytest.fixture
def remy(personas: Personas, connect, kind: str) -> ScriptlessBrowser:
    connect(kind)
    return ScriptlessBrowser(personas.remy)


@pytest.fixture
def application(remy: ScriptlessBrowser) -> Application:
    applications = (a for stage in range(4) for a in list_applications(stage=stage))
    return next(a for a in applications if a.custom.get("notice_period") == "1 month")


def _share_name(sandbox: Sandbox, key: str, first: str, second: str) -> list[int]:
    """Rename the second option like the first; return both IDs."""
    field = CustomField.objects.get(key=key)
    pks = {name: pk for pk, name in field.options}
    options: Any = sandbox.dataset().tables["custom_field_options"]
    record: CustomFieldOption = options[pks[second]]
    sandbox.dataset().update_record(record, name=first)
    field.options = [[pk, first if name == second else name] for pk, name in field.options]
    field.save(update_fields=["options"])
    return [pks[first], pks[second]]


def _update(remy: ScriptlessBrowser, application: Application, **values: Any) -> None:
    remy.open_path(build_action_url("update", application.pk))
    remy.press_button(BUTTON, **values)


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("names", [("2 weeks", "3 months"), ("1 month", "3 months")])
def test_chosen_option_id_sent(
    remy: ScriptlessBrowser,
    sandbox: Sandbox,
    run_tasks,
    application: Application,
    position: int,
    names: tuple[str, str],
) -> None:
    chosen = _share_name(sandbox, "notice_period", *names)[position]
    _update(remy, application, **{build_custom_field_name("notice_period"): str(chosen)})
    assert (
        f"{names[0]} (ID {chosen})"
        in get_latest_action().parameters["custom"]["notice_period"]["text"]
    )
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert get_latest_action().parameters["custom"]["notice_period"]["send"] == chosen


@any_generation
def test_chosen_option_ids_of_many_sent(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    first, second = _share_name(sandbox, "languages", "French", "Spanish")
    for chosen in ([first], [second], [first, second]):
        Application.objects.filter(pk=application.pk).update(
            custom={**application.custom, "languages": []}
        )
        record = sandbox.dataset().applications[application.remote_id]
        custom = {**record.custom, "languages": {**record.custom["languages"], "value": []}}
        sandbox.dataset().update_record(record, custom=custom)
        _update(
            remy, application, **{build_custom_field_name("languages"): [str(pk) for pk in chosen]}
        )
        run_tasks()
        assert get_latest_action().status == Status.DONE, get_latest_action().outcome
        assert get_latest_action().parameters["custom"]["languages"]["send"] == chosen


@any_generation
def test_unknown_option_kept_unless_touched(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    _share_name(sandbox, "languages", "English", "Spanish")
    french = next(
        pk for pk, name in CustomField.objects.get(key="languages").options if name == "French"
    )
    _update(remy, application, **{build_custom_field_name("agency_reference"): "AB-12"})
    assert get_latest_action().parameters["custom"].keys() == {"agency_reference"}
    run_tasks()
    _update(
        remy, application, **{build_custom_field_name("languages"): ["name:English", str(french)]}
    )
    assert "several options named “English”" in remy.page


@any_generation
def test_retry_sends_chosen_option_id(
    remy: ScriptlessBrowser, sandbox: Sandbox, run_tasks, application: Application
) -> None:
    first, _ = _share_name(sandbox, "notice_period", "2 weeks", "3 months")
    remy.open_path(build_action_url("update", application.pk))
    record = sandbox.dataset().applications[application.remote_id]
    other = {**record.custom["notice_period"], "value": "None"}
    sandbox.dataset().update_record(record, custom={**record.custom, "notice_period": other})
    remy.press_button(BUTTON, **{build_custom_field_name("notice_period"): str(first)})
    run_tasks()
    assert get_latest_action().status == Status.CONFLICT
    application.refresh_from_db()
    remy.client.handler.enforce_csrf_checks = False
    remy.client.post(
        build_action_url("retry_action", get_latest_action().pk),
        {"key": "6f0e8a52-8f0e-4f6c-9d5c-000000000001", "stage": application.stage_remote_id or ""},
    )
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    assert get_latest_action().parameters["custom"]["notice_period"]["send"] == first
