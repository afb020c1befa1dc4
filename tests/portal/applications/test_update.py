"""Updating an application: its source and people, and the fields that the customer added."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from integrations.ats.wiring import Lane
from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.connections.open import asking
from portal.mirror.models import Application, AtsUser, CustomField, Source
from portal.mirror.single import refresh_application
from tests.cast import Cast
from tests.portal.applications.clicking import (
    HTMX,
    address,
    applications,
    click,
    newest,
    seen,
    shown,
    truth,
)

Status = ApplicationAction.Status


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


@pytest.fixture
def one(remy: Client) -> Application:
    """An application whose custom fields hold something."""
    return _with_notice("1 month")


def _with_notice(told: str) -> Application:
    every = (one for stage in range(4) for one in applications(stage=stage))
    return next(one for one in every if one.custom.get("notice_period") == told)


def _name(key: str) -> str:
    return f"custom-{CustomField.objects.get(key=key).pk}"


def _choice(key: str, *names: str) -> list[int]:
    return [pk for pk, name in CustomField.objects.get(key=key).options if name in names]


def _form(client: Client, application: Application) -> Any:
    return client.get(address("update", application.pk), **HTMX).context["form"]


def _filled(client: Client, application: Application, **changes: object) -> dict[str, Any]:
    """What a browser sends: every field as it was shown, but for the changes."""
    sent: dict[str, Any] = {}
    for bound in _form(client, application):
        if bound.name in ("key", "stage", "entry", "stage_name"):
            continue
        value = bound.value()
        sent[bound.html_name] = "" if value is None else value
        sent[bound.html_initial_name] = sent[bound.html_name]
    return sent | changes


def _held(sandbox: Sandbox, application: Application) -> dict[str, Any]:
    return {key: one["value"] for key, one in truth(sandbox, application).custom.items()}


EVERY_TYPE = {
    "notice_period": "3 months",
    "available_from": "2027-09-30",
    "right_to_work_checked": False,
    "years_in_the_field": 7.5,
    "languages": ["French", "Spanish"],
    "agency_reference": "AB-12",
    "screening_notes": "Calm.\nAsks good questions.",
}


def _entered() -> dict[str, object]:
    return {
        _name("notice_period"): _choice("notice_period", "3 months")[0],
        _name("available_from"): "2027-09-30",
        _name("right_to_work_checked"): "false",
        _name("years_in_the_field"): "7.5",
        _name("languages"): _choice("languages", "French", "Spanish"),
        _name("agency_reference"): "AB-12",
        _name("screening_notes"): "Calm.\r\nAsks good questions.",
    }


def test_custom_fields_of_each_type_are_changed_shown_before_and_after_and_put_back(
    remy: Client, sandbox: Sandbox, work, one: Application
) -> None:
    before = _held(sandbox, one)
    answer = click(remy, "update", one, **_filled(remy, one, **_entered()))
    assert answer.status_code == 200, answer.content.decode()
    work()
    assert newest().status == Status.DONE, newest().outcome
    assert EVERY_TYPE.items() <= _held(sandbox, one).items()
    told = remy.get(address("history", one.pk)).content.decode()
    assert "Notice period: “1 month” → “3 months”" in told
    assert "Years in the field: empty → “7.5”" in told
    assert "Right to work checked: “Yes” → “No”" in told or before["right_to_work_checked"] is False
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    assert newest().status == Status.DONE, newest().outcome
    assert _held(sandbox, one) == before


def test_only_what_the_person_changed_is_sent(
    remy: Client, sandbox: Sandbox, work, one: Application
) -> None:
    sent = _filled(remy, one, **{_name("agency_reference"): "AB-12"})
    # A sync brings a change of another field while the form is open.
    row = sandbox.world().applications[one.remote_id]
    held = {**row.custom, "available_from": {**row.custom["available_from"], "value": "2028-01-01"}}
    sandbox.world().change(row, custom=held)
    Application.objects.filter(pk=one.pk).update(
        custom={**one.custom, "available_from": "2028-01-01"}
    )
    click(remy, "update", one, **sent)
    work()
    assert newest().status == Status.DONE
    assert _held(sandbox, one)["available_from"] == "2028-01-01"
    assert _held(sandbox, one)["agency_reference"] == "AB-12"


def test_a_value_that_does_not_fit_is_told_beside_its_field(remy: Client, one: Application) -> None:
    wrong = {
        _name("available_from"): "soon",
        _name("years_in_the_field"): "many",
        _name("notice_period"): "",
        _name("languages"): [10**9],
    }
    answer = click(remy, "update", one, **_filled(remy, one, **wrong))
    assert answer.status_code == 422
    form = answer.context["form"]
    assert form.errors.keys() == wrong.keys()
    page = answer.content.decode()
    assert "Enter a date, please" in page
    assert "Enter a number, please" in page
    assert "Greenhouse asks for a value here" in page
    assert not ApplicationAction.objects.exists()


def test_nothing_changed_is_nothing_sent(remy: Client, one: Application) -> None:
    answer = click(remy, "update", one, **_filled(remy, one))
    assert answer.status_code == 422
    assert "Nothing is changed yet" in answer.content.decode()


def test_a_field_is_emptied(remy: Client, sandbox: Sandbox, work, one: Application) -> None:
    click(remy, "update", one, **_filled(remy, one, **{_name("available_from"): ""}))
    work()
    assert newest().status == Status.DONE, newest().outcome
    assert not _held(sandbox, one)["available_from"]
    assert "Available from is now empty" in shown(remy, one)


def test_private_fields_are_neither_shown_nor_kept_and_other_types_are_only_read(
    remy: Client, one: Application
) -> None:
    form = remy.get(address("update", one.pk), **HTMX)
    page = form.content.decode()
    assert "Changed in Greenhouse only" in page
    assert "Salary expectation" in page
    assert "EUR" in page
    for hidden in ("Panel", "Asked for a higher level", "Fax number", "Desired Salary"):
        assert hidden not in page
    assert "panels_concerns" not in one.custom
    assert not any("salary" in name for name in form.context["form"].fields)


def test_what_is_chosen_but_no_longer_offered_is_told_and_stays(
    remy: Client, sandbox: Sandbox, work
) -> None:
    one = _with_notice("Retired")
    page = remy.get(address("update", one.pk), **HTMX).content.decode()
    assert "Now “Retired”, which is no longer offered" in page
    click(remy, "update", one, **_filled(remy, one, **{_name("agency_reference"): "AB-12"}))
    work()
    assert _held(sandbox, one)["notice_period"] == "Retired"
    changed = {_name("notice_period"): _choice("notice_period", "2 weeks")[0]}
    one.refresh_from_db()
    click(remy, "update", one, **_filled(remy, one, **changed))
    work()
    assert newest().status == Status.DONE
    assert "What stood there before can no longer be chosen" in shown(remy, one)
    assert remy.post(address("take_back", newest().pk), **HTMX).status_code == 409


def test_a_field_that_somebody_changed_meanwhile_is_a_conflict_and_can_be_changed_from_there(
    remy: Client, sandbox: Sandbox, work, one: Application
) -> None:
    row = sandbox.world().applications[one.remote_id]
    meanwhile = {**row.custom["notice_period"], "value": "2 weeks"}
    sandbox.world().change(row, custom={**row.custom, "notice_period": meanwhile})
    changed = {_name("notice_period"): _choice("notice_period", "3 months")[0]}
    click(remy, "update", one, **_filled(remy, one, **changed))
    work()
    assert newest().status == Status.CONFLICT
    assert _held(sandbox, one)["notice_period"] == "2 weeks"
    card = " ".join(shown(remy, one).split())
    assert "Notice period was “1 month” and is “2 weeks” now" in card
    remy.post(address("again", newest().pk), seen(one), **HTMX)
    work()
    assert newest().status == Status.DONE, newest().outcome
    assert _held(sandbox, one)["notice_period"] == "3 months"


@pytest.mark.parametrize("field", ["source", "notice_period"])
def test_what_changed_after_the_form_was_shown_is_a_conflict_though_the_mirror_knows_it(
    remy: Client, sandbox: Sandbox, work, one: Application, field: str
) -> None:
    mine, theirs = Source.objects.exclude(pk=one.source_id).order_by("pk")[:2]
    row = sandbox.world().applications[one.remote_id]
    if field == "source":
        screen = _filled(remy, one, source=mine.pk)
        sandbox.world().change(row, source_id=theirs.remote_id)
    else:
        chosen = _choice("notice_period", "3 months")[0]
        screen = _filled(remy, one, **{_name("notice_period"): chosen})
        meanwhile = {**row.custom["notice_period"], "value": "2 weeks"}
        sandbox.world().change(row, custom={**row.custom, "notice_period": meanwhile})
    with asking(one.connection.credential, lane=Lane.PEOPLE) as provider:
        refresh_application(one.connection, provider, one.remote_id)
    click(remy, "update", one, **screen)
    work()
    assert newest().status == Status.CONFLICT, newest().outcome
    card = " ".join(shown(remy, one).split())
    if field == "source":
        assert truth(sandbox, one).source_id == theirs.remote_id
        assert f"is “{theirs.name}” now" in card
    else:
        assert _held(sandbox, one)["notice_period"] == "2 weeks"
        assert "Notice period was “1 month” and is “2 weeks” now" in card


def test_what_was_kept_of_a_deleted_candidate_goes_from_the_actions_too(
    remy: Client, sandbox: Sandbox, work, one: Application, connect, kind: str
) -> None:
    click(remy, "update", one, **_filled(remy, one, **{_name("agency_reference"): "AB-12"}))
    work()
    from portal.mirror import people

    people.erase(one.connection, [one.candidate.remote_id])
    kept = ApplicationAction.objects.get()
    assert "AB-12" not in f"{kept.parameters} {kept.outcome} {kept.notes}"
    assert kept.outcome == "Updated in Greenhouse."
    one.refresh_from_db()
    assert one.custom == {}


def test_without_the_right_to_read_them_no_custom_field_is_offered(
    connect, cast: Cast, sign_in, kind: str
) -> None:
    connect(kind, without={"custom_fields.list"})
    form = _form(sign_in(cast.remy), applications()[0])
    assert not form.custom
    assert not CustomField.objects.exists()


def test_source_and_people_are_updated_and_put_back_where_they_had_a_value(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = next(a for a in applications() if a.source_id and a.recruiter_id)
    source = Source.objects.exclude(pk=application.source_id).first()
    recruiter = AtsUser.objects.get(primary_email="sam@acme.example")
    was = truth(sandbox, application)
    was = (was.source_id, was.recruiter_id)
    click(remy, "update", application, source=source.pk, recruiter=recruiter.pk)
    work()
    now = truth(sandbox, application)
    assert (now.source_id, now.recruiter_id) == (source.remote_id, recruiter.remote_id)
    assert f"source is now {source.name}" in shown(remy, application)
    assert address("take_back", newest().pk) in remy.get("/activity/").content.decode()
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    now = truth(sandbox, application)
    assert (now.source_id, now.recruiter_id) == was


def test_where_a_field_was_empty_before_it_is_said_that_there_is_no_undo(
    remy: Client, work
) -> None:
    application = next(a for a in applications() if not a.recruiter_id)
    recruiter = AtsUser.objects.get(primary_email="sam@acme.example")
    click(remy, "update", application, recruiter=recruiter.pk)
    work()
    row = shown(remy, application)
    assert address("take_back", newest().pk) not in row
    assert "A field that was empty before cannot be emptied from here" in row
