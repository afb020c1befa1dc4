"""When an answer is due: working days, holidays, daylight-saving time, and the admin's settings."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from portal.audit.models import Entry
from portal.core.working_days import WorkingCalendar
from portal.jobs.answers.labels import describe_due
from portal.jobs.answers.promise import Promise, get_promise
from portal.jobs.models import AnswerPromise
from tests.personas import Personas

WEEKDAYS = frozenset(range(5))
SUNDAY_TO_THURSDAY = frozenset((6, 0, 1, 2, 3))
URL = "/requisitions/answers/promise/"


def _promise(
    days: int = 5, zone: str = "UTC", working_days: frozenset[int] = WEEKDAYS, *holidays: str
) -> Promise:
    return Promise(
        days, zone, WorkingCalendar(working_days, frozenset(map(date.fromisoformat, holidays)))
    )


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("started", "days", "holidays", "due"),
    [
        ("2026-11-02T09:00", 1, (), "2026-11-04T00:00"),  # Monday: until the end of Tuesday
        ("2026-11-02T09:00", 5, (), "2026-11-10T00:00"),  # over a weekend
        ("2026-11-06T23:59", 1, (), "2026-11-10T00:00"),  # late on Friday: Monday
        ("2026-11-07T12:00", 1, (), "2026-11-10T00:00"),  # on Saturday: also Monday
        ("2026-11-02T09:00", 5, ("2026-11-04", "2026-11-05"), "2026-11-12T00:00"),
        ("2026-11-02T09:00", 5, ("2026-11-07",), "2026-11-10T00:00"),  # on a Saturday
        ("2026-12-23T09:00", 2, ("2026-12-25", "2027-01-01"), "2026-12-29T00:00"),
    ],
)
def test_due_after_working_days(started: str, days: int, holidays: tuple, due: str) -> None:
    assert _promise(days, "UTC", WEEKDAYS, *holidays).get_due_at(_utc(started)) == _utc(due)


@pytest.mark.parametrize(
    ("zone", "working_days", "days", "started", "due"),
    [
        # Clocks go forward, then back.
        ("Europe/Berlin", WEEKDAYS, 5, "2026-03-27T09:00", "2026-04-03T22:00"),
        ("Europe/Berlin", WEEKDAYS, 5, "2026-10-23T08:00", "2026-10-30T23:00"),
        ("America/New_York", WEEKDAYS, 2, "2026-03-06T04:30", "2026-03-10T04:00"),  # Thursday there
        ("America/New_York", WEEKDAYS, 1, "2026-10-30T16:00", "2026-11-03T05:00"),
        ("Australia/Lord_Howe", WEEKDAYS, 1, "2026-04-03T02:00", "2026-04-06T13:30"),  # 30 minutes
        # At midnight: the due day ends with an hour that is skipped, or repeated.
        ("Africa/Cairo", SUNDAY_TO_THURSDAY, 2, "2026-04-21T08:00", "2026-04-23T22:00"),
        ("Africa/Cairo", SUNDAY_TO_THURSDAY, 2, "2026-10-27T08:00", "2026-10-29T22:00"),
    ],
)
def test_due_across_clock_changes(
    zone: str, working_days: frozenset[int], days: int, started: str, due: str
) -> None:
    assert _promise(days, zone, working_days).get_due_at(_utc(started)) == _utc(due)


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Pacific/Auckland"]
)
def test_overdue_limit_agrees_with_due_times(zone: str) -> None:
    """Lists compare with one moment what rows say by themselves."""
    chance = random.Random(zone)
    first = _utc("2026-03-01T00:00")
    for _ in range(150):
        working_days = frozenset(chance.sample(range(7), chance.randint(1, 7)))
        holidays = frozenset(date(2026, 3, 1) + timedelta(days=chance.randrange(60)) for _ in "123")
        promise = Promise(chance.randint(1, 6), zone, WorkingCalendar(working_days, holidays))
        now = first + timedelta(minutes=chance.randrange(60 * 24 * 60))
        started = now - timedelta(minutes=chance.randrange(60 * 24 * 20))
        is_overdue = promise.get_due_at(started) <= now
        assert (started < promise.find_overdue_limit(now)) == is_overdue
        days = [promise.get_local_day(moment) for moment in (started, now)]
        assert promise.is_in_time(*days) == (not is_overdue)


@pytest.mark.parametrize(
    ("now", "label"),
    [
        ("2026-11-02T10:00", "Due Mon 9 Nov"),
        ("2026-11-08T10:00", "Due tomorrow"),
        ("2026-11-09T23:59", "Due today"),
        ("2026-11-10T00:00", "Overdue by 1 working day"),
        ("2026-11-13T10:00", "Overdue by 4 working days"),
        ("2026-11-15T10:00", "Overdue by 4 working days"),  # the weekend adds none
    ],
)
def test_due_label_follows_the_clock(time_machine, now: str, label: str) -> None:
    time_machine.move_to(_utc(now), tick=False)
    assert describe_due(_promise(), _utc("2026-11-02T09:00")).text == label


def test_endless_holidays_still_end() -> None:
    days = (date(2026, 1, 1) + timedelta(days=n) for n in range(4000))
    promise = Promise(5, "UTC", WorkingCalendar(WEEKDAYS, frozenset(days)))
    assert promise.find_due_day(date(2026, 1, 1)) > date(2033, 1, 1)
    assert promise.find_overdue_limit(_utc("2036-01-01T00:00")) < _utc("2029-01-01T00:00")


def test_promise_names_its_days() -> None:
    labels = [_promise(days).label for days in (1, 2)]
    assert labels == ["1 working day", "2 working days"]


def test_zone_that_vanished_is_utc() -> None:
    assert _promise(1, "Mars/Base").get_due_at(_utc("2026-11-02T09:00")) == _utc("2026-11-04T00:00")
    assert _promise(1, "Europe/Berlin").zone == ZoneInfo("Europe/Berlin")
    assert _promise(1, "Europe/Berlin").zone_label == "Berlin"


# -- settings ------------------------------------------------------------------------------------


def _form(**changes: object) -> dict[str, object]:
    return {
        "days": "3",
        "time_zone": "Europe/Berlin",
        "working_days": ["0", "1", "2", "3"],
        "holidays": "2026-12-25 Christmas Day\n\n2026-01-01\n",
        **changes,
    }


@pytest.fixture
def ada(personas: Personas, sign_in) -> Client:
    return sign_in(personas.ada)


@pytest.mark.django_db
def test_admin_sets_the_promise(ada: Client, personas: Personas) -> None:
    assert ada.get(URL).context["form"].initial["days"] == 5
    assert ada.post(URL, _form()).status_code == 302
    promise = get_promise(personas.ada.organization_id)
    assert (promise.days, promise.zone_name) == (3, "Europe/Berlin")
    assert promise.calendar.weekdays == {0, 1, 2, 3}
    assert promise.calendar.holidays == {date(2026, 1, 1), date(2026, 12, 25)}
    assert "2026-12-25 Christmas Day" in ada.get(URL).content.decode()
    entry = Entry.objects.get(verb="answers.promise_changed")
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["days"], entry.after["days"]) == (5, 3)
    ada.post(URL, _form())
    assert Entry.objects.filter(verb="answers.promise_changed").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"days": ""}, "days", "Enter a number of working days."),
        ({"days": "0"}, "days", "Enter a number from 1 to 60."),
        ({"days": "61"}, "days", "Enter a number from 1 to 60."),
        ({"days": "2.5"}, "days", "Enter a whole number from 1 to 60."),
        ({"time_zone": ""}, "time_zone", "Choose a time zone."),
        ({"time_zone": "Mars/Base"}, "time_zone", "Choose a time zone from the list."),
        ({"working_days": []}, "working_days", "Select at least one working day."),
        ({"working_days": ["9"]}, "working_days", "Select days of the week from the list."),
        (
            {"holidays": "2026-01-01\nChristmas"},
            "holidays",
            "Line 2: start with a date as year-month-day, such as 2026-12-25.",
        ),
        ({"holidays": "2026-02-30"}, "holidays", "Line 1: there is no such date as 2026-02-30."),
        ({"holidays": "1026-02-20"}, "holidays", "Line 1: enter a year from 2000 to 2099."),
        (
            {"holidays": f"2026-01-01 {'x' * 81}"},
            "holidays",
            "Line 1: enter a name of at most 80 characters.",
        ),
    ],
)
def test_unusable_promise_is_explained(
    ada: Client, changes: dict[str, object], field: str, message: str
) -> None:
    response = ada.post(URL, _form(**changes))
    assert response.status_code == 422
    assert response.context["form"].errors[field] == [message]
    assert not AnswerPromise.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "line",
    [
        *("2026-12-25 Christmas", "2026-12-25,Christmas", "2026-12-25: Christmas"),
        *("2026-12-25 – Christmas", "2026-12-25\u00a0Christmas", "2026\u201112\u201125\tChristmas"),
        "\ufeff2026-12-25; Christmas ",
    ],
)
def test_pasted_holidays_are_read(ada: Client, line: str) -> None:
    assert ada.post(URL, _form(holidays=f"{line}\n2026-12-26 Mon–Tue")).status_code == 302
    assert AnswerPromise.objects.get().holidays == [
        {"date": "2026-12-25", "name": "Christmas"},
        {"date": "2026-12-26", "name": "Mon–Tue"},
    ]


def test_too_many_holidays_refused(ada: Client) -> None:
    days = (date(2026, 1, 1) + timedelta(days=n) for n in range(401))
    response = ada.post(URL, _form(holidays="\n".join(day.isoformat() for day in days)))
    assert response.context["form"].errors["holidays"] == [
        "Enter at most 400 holidays. These are 401."
    ]


@pytest.mark.django_db
def test_only_admins_set_the_promise(personas: Personas, sign_in) -> None:
    remy = sign_in(personas.remy)
    assert remy.get(URL).status_code == 403
    assert remy.post(URL, _form()).status_code == 403
    assert not AnswerPromise.objects.exists()


@pytest.mark.django_db
def test_promise_is_of_one_organization(personas: Personas, ada: Client) -> None:
    ada.post(URL, _form())
    assert get_promise(personas.zoe.organization_id).days == 5


@pytest.mark.django_db
def test_staff_see_the_promise(personas: Personas, ada: Client, sign_in) -> None:
    ada.post(URL, _form())
    url = reverse("admin:accounts_organization_summary", args=[personas.ada.organization_id])
    page = sign_in(personas.cas).get(url).content.decode()
    assert "3 working days, Berlin time, 2 holidays" in page
