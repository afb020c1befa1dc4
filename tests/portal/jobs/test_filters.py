"""Search, filters, sorting and paging of the requisition list, all kept in the URL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.entitlements.rules import get_rights
from portal.jobs.job_list import stage_counts
from portal.jobs.job_page.last_viewed import record_view
from portal.sync.freshness import get_freshness
from portal.sync.models import Application, AtsUser, Department, Job, Office, Opening, StageName
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data

LIST = "/requisitions/"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def personas(db: None) -> Personas:
    """Rolled back after each test; nothing here waits for a commit."""
    return create_personas()


def _job_names(client, query: str = "") -> list[str]:
    return [row.job.name for row in client.get(f"{LIST}?{query}").context["rows"]]


@pytest.fixture
def jobs(acme, sam, remy) -> dict[str, Job]:
    care = Department.objects.create(connection=acme, remote_id=1, name="Care")
    oslo = Office.objects.create(connection=acme, remote_id=1, name="Oslo")
    made = {
        "Nurse": synced_data.create_job(
            acme, "Nurse", requisition_id="REQ-1", department=care, opened_at=NOW
        ),
        "Porter": synced_data.create_job(acme, "Porter", opened_at=NOW - timedelta(days=100)),
        "Cook": synced_data.create_job(acme, "Cook", requisition_id="K-77"),
        "Surgeon": synced_data.create_job(acme, "Surgeon", status="closed"),
        "Spy": synced_data.create_job(acme, "Spy", confidential=True, department=care),
    }
    made["Porter"].offices.add(oslo)
    made["Spy"].offices.add(oslo)
    synced_data.create_team_member(remy, made["Porter"])
    synced_data.create_team_member(sam, made["Cook"], "coordinator")
    for days in (3, 40):
        synced_data.create_application(
            made["Nurse"],
            synced_data.create_candidate(acme),
            last_activity_at=NOW - timedelta(days=days),
            stage=synced_data.create_stage(made["Nurse"], "Phone" if days == 3 else "Offer"),
        )
    synced_data.create_application(
        made["Cook"],
        synced_data.create_candidate(acme),
        last_activity_at=NOW - timedelta(days=9),
        stage=synced_data.create_stage(made["Cook"], "Phone"),
    )
    stage_counts.update_counts(acme)
    return made


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Cook", "Nurse", "Porter"]),
        ("q=nur", ["Nurse"]),
        ("q=req-1", ["Nurse"]),
        ("q=laurent", ["Porter"]),
        ("q=spy", []),
        ("q=%25", []),
        ("department={care}", ["Nurse"]),
        ("office={oslo}", ["Porter"]),
        ("recruiter={remy}", ["Porter"]),
        ("mine=1", ["Cook"]),
        ("confidential=1", []),
        ("with_active=1", ["Cook", "Nurse"]),
        ("min_active=2", ["Nurse"]),
        ("min_active=5", []),
        ("stage={phone}", ["Cook", "Nurse"]),
        ("stage={offer}", ["Nurse"]),
        ("stage={phone}&min_active=2", []),
        ("stage=987654", []),
        ("age=60", ["Porter"]),
        ("status=closed", ["Surgeon"]),
        ("sort=-name", ["Porter", "Nurse", "Cook"]),
        ("sort=waiting", ["Nurse", "Cook", "Porter"]),
        ("sort=-active", ["Nurse", "Cook", "Porter"]),
        ("sort=opened", ["Porter", "Nurse", "Cook"]),
        ("sort=-opened", ["Nurse", "Porter", "Cook"]),
        ("with_active=1&sort=waiting&q=c", ["Cook"]),
    ],
)
def test_query_determines_listed_jobs(
    jobs, remy, personas: Personas, sign_in, query: str, names: list[str]
) -> None:
    stages = dict(StageName.objects.values_list("name", "pk"))
    query = query.format(
        care=jobs["Nurse"].department_id,
        oslo=jobs["Porter"].offices.get().pk,
        remy=remy.pk,
        phone=stages["Phone"],
        offer=stages["Offer"],
    )
    assert _job_names(sign_in(personas.sam), query) == names


@pytest.mark.parametrize("query", ["", "q=nurse", "department={care}", "filters=1&q=nurse"])
def test_site_admin_needs_no_access_records(
    acme, jobs, personas: Personas, sign_in, query: str
) -> None:
    missing = (synced_data.GRANTS, synced_data.TEAMS)
    synced_data.record_check(acme, missing=missing)
    query = query.format(care=jobs["Nurse"].department_id)
    assert "Nurse" in _job_names(sign_in(personas.sam), query)
    assert "Spy" not in _job_names(sign_in(personas.sam), query)
    assert sign_in(personas.sam).get("/review/").status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "department=x&office=-1&recruiter=99999999999999999999&age=7&sort=password",
        "stage=phone&min_active=1000000&stage=٣",
        "page=!!!&visit=%00&first=%00",
        "page=99999999999999999999999&visit=aaaaaaaaaaaa",
        "page=2&visit=aaaaaaaaaaaa&first=W10:x:y",
        "page=-1&first=.eJ:1:2",
        "q=%00nur",
        "q=%ED%A0%80",  # half a character
        "q=nurse%ED%B0%80&stage=%ED%A0%80&sort=%ED%A0%80&visit=%ED%A0%80&page=%D9%A2&first=%ED%A0%80",
        "page=2&status=open&status=closed&mine=",
    ],
)
def test_malformed_query_still_renders_list(jobs, personas: Personas, sign_in, query: str) -> None:
    assert sign_in(personas.sam).get(f"{LIST}?{query}").status_code == 200


@pytest.mark.parametrize(
    "order", ["name", "-name", "opened", "-opened", "active", "-active", "waiting"]
)
def test_pages_cover_rows_once_both_ways(
    acme, sam, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr("portal.jobs.job_list.list_page.PAGE_SIZE", 3)
    for n in range(7):
        day = NOW - timedelta(days=n // 2) if n % 3 else None  # some equal, some missing
        synced_data.create_job(
            acme,
            f"Job {n // 2}",
            opened_at=day,
            waiting_since=day,
            active_applications=n // 4,
        )
    client = sign_in(personas.sam)
    forward_pages, url = [], f"{LIST}?sort={order}"
    while url:
        page = client.get(url).context
        forward_pages.append([row.job.pk for row in page["rows"]])
        last_url, url = url, page["next_url"]
    assert [len(rows) for rows in forward_pages] == [3, 3, 1]
    assert len({pk for rows in forward_pages for pk in rows}) == 7
    backward_pages, url = [], last_url
    while url:
        page = client.get(url).context
        backward_pages.append([row.job.pk for row in page["rows"]])
        url = page["previous_url"]
    assert backward_pages == forward_pages[::-1]


def test_removed_row_does_not_shift_pages(
    acme, sam, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.jobs.job_list.list_page.PAGE_SIZE", 2)
    for name in "ABCD":
        synced_data.create_job(acme, name)
    client = sign_in(personas.sam)
    next_url = client.get(LIST).context["next_url"]
    Job.objects.filter(name="A").update(status="closed")
    assert [row.job.name for row in client.get(next_url).context["rows"]] == ["C", "D"]


def test_rows_resorted_between_pages_shown_once(
    acme, sam, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.jobs.job_list.list_page.PAGE_SIZE", 2)
    for number, name in enumerate("ABCDE"):
        synced_data.create_job(acme, name, active_applications=10 - number)
    client = sign_in(personas.sam)
    names, url = [], f"{LIST}?sort=-active"
    while url:
        page = client.get(url).context
        names += [row.job.name for row in page["rows"]]
        url = page["next_url"]
        Job.objects.filter(name=names[0]).update(active_applications=0)
        Job.objects.filter(name="E").update(active_applications=99)
    assert sorted(names) == list("ABCDE")


def test_filter_options_come_from_visible_jobs(
    acme, sam, remy, jobs, personas: Personas, sign_in
) -> None:
    choices = sign_in(personas.sam).get(f"{LIST}?filters=1").context["choices"]
    assert [name for _, name in choices.departments] == ["Care"]
    assert [name for _, name in choices.offices] == ["Oslo"]
    assert [name for _, name in choices.recruiters] == ["Remy Laurent"]
    assert [name for _, name in choices.stages] == ["Offer", "Phone"]
    secret = Department.objects.create(connection=acme, remote_id=9, name="Project X")
    Job.objects.filter(name="Spy").update(department=secret)
    synced_data.create_grant(remy, jobs["Cook"])
    page = sign_in(personas.remy).get(f"{LIST}?filters=1")
    assert page.context["choices"].departments == []
    assert [name for _, name in page.context["choices"].stages] == ["Phone"]
    assert "Offer" not in page.content.decode()
    assert "Project X" not in sign_in(personas.sam).get(f"{LIST}?filters=1").content.decode()


def test_filter_options_load_on_demand(jobs, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    page = client.get(f"{LIST}?sort=waiting")
    assert "choices" not in page.context
    assert 'href="?sort=waiting&amp;filters=1"' in page.content.decode()  # without JavaScript
    full_page = client.get(f"{LIST}?sort=waiting&filters=1").content.decode()
    headers = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "job-filters"}
    partial = client.get(f"{LIST}?sort=waiting", **headers).content.decode()
    assert "<html" not in partial
    assert "<table" not in partial
    for html in (full_page, partial):
        assert ">Care</option>" in html
        assert 'name="min_active"' in html
    # Active filters are rendered immediately.
    care = jobs["Nurse"].department_id
    filtered = client.get(f"{LIST}?department={care}").content.decode()
    assert f'<option value="{care}" selected>Care</option>' in filtered


def test_selected_filter_stays_offered_when_empty(
    acme, jobs, personas: Personas, sign_in, advance_clock
) -> None:
    client, offer = sign_in(personas.sam), StageName.objects.get(name="Offer").pk
    care, remy = jobs["Nurse"].department_id, AtsUser.objects.get(name="Remy Laurent").pk
    advance_clock(60)
    now = datetime.now(UTC)
    Application.objects.filter(stage__name="Offer").update(status="hired", changed_at=now)
    stage_counts.update_counts(acme)
    Job.objects.filter(name__in=("Nurse", "Porter")).update(status="closed")
    query = f"stage={offer}&department={care}&recruiter={remy}"
    page = client.get(f"{LIST}?{query}").content.decode()
    for pk, name in ((offer, "Offer"), (care, "Care"), (remy, "Remy Laurent")):
        assert f'<option value="{pk}" selected>{name}</option>' in page
    assert ">Offer</option>" not in client.get(f"{LIST}?filters=1").content.decode()


def test_hidden_filter_option_not_revealed_by_key(acme, jobs, personas: Personas, sign_in) -> None:
    secret_department = Department.objects.create(connection=acme, remote_id=9, name="Project X")
    Job.objects.filter(name="Spy").update(department=secret_department)
    synced_data.create_stage(jobs["Spy"], "Handover")
    stage = StageName.objects.create(connection=acme, name="Handover")
    page = sign_in(personas.sam).get(f"{LIST}?department={secret_department.pk}&stage={stage.pk}")
    assert "Project X" not in page.content.decode()
    assert "Handover" not in page.content.decode()


def test_row_shows_people_offices_and_counts(acme, sam, jobs, personas: Personas, sign_in) -> None:
    for remote_id, is_open in ((1, True), (2, True), (3, False)):
        Opening.objects.create(
            connection=acme, remote_id=remote_id, job=jobs["Porter"], is_open=is_open
        )
    synced_data.create_application(jobs["Porter"], synced_data.create_candidate(acme, private=True))
    synced_data.create_application(
        jobs["Porter"],
        synced_data.create_candidate(acme),
        applied_at=timezone.now() - timedelta(days=2),
    )
    rows = {row.job.name: row for row in sign_in(personas.sam).get(LIST).context["rows"]}
    porter = rows["Porter"]
    assert porter.recruiters == ["Remy Laurent"]
    assert porter.offices == ["Oslo"]
    assert porter.openings_left == 2
    assert porter.active == 1  # private candidates are not counted
    assert porter.new == 1
    assert porter.days_waiting == 2
    assert rows["Nurse"].active == 2


def test_row_shows_count_of_filtered_stage(jobs, personas: Personas, sign_in) -> None:
    stage = StageName.objects.get(name="Phone").pk
    page = sign_in(personas.sam).get(f"{LIST}?stage={stage}")
    assert [row.stage_count for row in page.context["rows"]] == [("Phone", 1), ("Phone", 1)]
    assert "</b> active, 1 in Phone" in page.content.decode()


def test_applications_since_last_visit_are_new(
    acme, sam, jobs, personas: Personas, sign_in, advance_clock
) -> None:
    client = sign_in(personas.sam)
    record_view(personas.sam, jobs["Nurse"], get_rights(personas.sam), get_freshness(acme))
    advance_clock(60)
    synced_data.create_application(
        jobs["Nurse"], synced_data.create_candidate(acme), applied_at=NOW
    )
    advance_clock(60)
    rows = {row.job.name: row for row in client.get(LIST).context["rows"]}
    assert rows["Nurse"].new == 1
    record_view(personas.sam, jobs["Nurse"], get_rights(personas.sam), get_freshness(acme))
    rows = {row.job.name: row for row in client.get(LIST).context["rows"]}
    assert rows["Nurse"].new == 0


def test_search_url_pushed_once_then_replaced(jobs, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    headers = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TRIGGER": "job-search"}
    first = client.get(
        f"{LIST}?q=n&department=&sort=name",
        HTTP_HX_CURRENT_URL="http://testserver/requisitions/",
        **headers,
    )
    assert first["HX-Push-Url"] == f"{LIST}?q=n"
    refined = client.get(
        f"{LIST}?q=nu&department=", HTTP_HX_CURRENT_URL=f"http://testserver{LIST}?q=n", **headers
    )
    assert refined["HX-Replace-Url"] == f"{LIST}?q=nu"
    filtered = client.get(
        f"{LIST}?q=nu&min_active=2", HTTP_HX_CURRENT_URL=f"http://testserver{LIST}?q=nu", **headers
    )
    assert filtered["HX-Push-Url"] == f"{LIST}?q=nu&min_active=2"
    unreadable = client.get(f"{LIST}?q=nu", HTTP_HX_CURRENT_URL="http://[?q=n#top", **headers)
    assert unreadable["HX-Replace-Url"] == f"{LIST}?q=nu"


@pytest.mark.slow("opens the list by seven queries at two sizes")
def test_list_query_count_independent_of_size(acme, sam, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    counts: list[tuple[str, int]] = []
    for size in (40, 200):
        jobs = Job.objects.bulk_create(
            synced_data.build_job(acme, f"Job {n}") for n in range(Job.objects.count(), size)
        )
        for job in jobs[:10]:
            synced_data.create_team_member(sam, job)
            synced_data.create_application(
                job,
                synced_data.create_candidate(acme),
                stage=synced_data.create_stage(job, "Phone"),
            )
        stage_counts.update_counts(acme)
        phone = StageName.objects.get(name="Phone").pk
        queries = (
            "",
            "?q=job&mine=1&sort=waiting",
            "?q=cara",
            f"?stage={phone}&min_active=1&sort=-active",
            "?min_active=2&department=1&office=1&recruiter=1&age=30&confidential=1",
            "?filters=1",
            "?status=closed",
            "?due=soon&sort=due",
        )
        for query in queries:
            if len(counts) < len(queries):
                client.get(f"{LIST}{query}")  # fills the caches
            with CaptureQueriesContext(database) as captured:
                client.get(f"{LIST}{query}")
            counts.append((query, len(captured)))
    assert counts[: len(queries)] == counts[len(queries) :]
    assert max(n for _, n in counts) <= 29
    assert counts[0][1] <= 22


def test_other_organization_sees_no_jobs(jobs, personas: Personas, sign_in) -> None:
    zoe = sign_in(personas.zoe)
    stage = StageName.objects.get(name="Phone").pk
    for query in (
        "",
        "q=nurse",
        "q=cara",
        f"stage={stage}",
        f"department={jobs['Nurse'].department_id}",
        "status=closed",
    ):
        assert "Nurse" not in zoe.get(f"{LIST}?{query}").content.decode()
