"""Pins, saved views, and the CSV export of the list."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.audit.models import Entry
from portal.jobs import pins
from portal.jobs.models import Pin, SavedView
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data

LIST = "/requisitions/"


@pytest.fixture
def personas(db: None) -> Personas:
    """Rolled back after each test; nothing here waits for a commit."""
    return create_personas()


def _export_rows(client, query: str = "") -> list[list[str]]:
    response = client.get(f"{reverse('jobs:export_csv')}?{query}")
    assert response.status_code == 200
    assert response.streaming
    text = b"".join(response).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_pinned_job_listed_first_until_unpinned(acme, sam, personas: Personas, sign_in) -> None:
    synced_data.create_job(acme, "Aide")
    job = synced_data.create_job(acme, "Zookeeper")
    client = sign_in(personas.sam)
    pin_url = reverse("jobs:set_pin", args=[job.pk])
    assert client.post(pin_url, {"pinned": "yes"}).status_code == 302
    assert [row.job.name for row in client.get(LIST).context["pinned"]] == ["Zookeeper"]
    response = client.post(pin_url, {"pinned": "no"}, HTTP_HX_REQUEST="true")
    assert 'aria-pressed="false"' in response.content.decode()
    assert client.get(LIST).context["pinned"] == []


def test_pinned_job_shown_once_where_it_matches(acme, sam, personas: Personas, sign_in) -> None:
    jobs = [synced_data.create_job(acme, f"Nurse {n}") for n in range(3)]
    closed = synced_data.create_job(acme, "Nurse emeritus", status="closed")
    for job in (jobs[1], closed):
        Pin.objects.create(membership=personas.sam, job=job)
    client = sign_in(personas.sam)
    for query, pinned, others in (
        ("", ["Nurse 1"], ["Nurse 0", "Nurse 2"]),
        ("q=nurse&sort=-name", ["Nurse 1"], ["Nurse 2", "Nurse 0"]),
        ("q=0", [], ["Nurse 0"]),
        ("q=nurse+1", ["Nurse 1"], []),
        ("status=closed", ["Nurse emeritus"], []),
    ):
        context = client.get(f"{LIST}?{query}").context
        assert [row.job.name for row in context["pinned"]] == pinned, query
        assert [row.job.name for row in context["rows"]] == others, query
        assert context["total"] == len(pinned) + len(others)


def test_pinning_during_visit_repeats_no_row(
    acme, sam, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.jobs.job_list.list_page.PAGE_SIZE", 2)
    jobs = [synced_data.create_job(acme, f"Job {n}") for n in range(4)]
    client = sign_in(personas.sam)
    second = client.get(client.get(LIST).context["next_url"])
    Pin.objects.create(membership=personas.sam, job=jobs[0])
    first = client.get(second.context["previous_url"])
    assert [row.job for row in first.context["pinned"]] == [jobs[0]]
    assert [row.job for row in first.context["rows"]] == [jobs[1]]
    assert client.get(LIST).content.decode().count(">Job 0<") == 1


def test_pin_hidden_after_access_lost(acme, sam, remy, personas, sign_in) -> None:
    job = synced_data.create_job(acme)
    grant = synced_data.create_grant(remy, job)
    client = sign_in(personas.remy)
    client.post(reverse("jobs:set_pin", args=[job.pk]))
    assert len(client.get(LIST).context["pinned"]) == 1
    grant.delete()
    assert client.get(LIST).context["pinned"] == []


@pytest.fixture
def three_pins(monkeypatch: pytest.MonkeyPatch) -> int:
    """The limit of pins is three."""
    monkeypatch.setattr(pins, "MAX_PINS", 3)
    return 3


def test_invisible_pins_do_not_use_limit(
    acme, sam, remy, personas: Personas, sign_in, three_pins: int
) -> None:
    client = sign_in(personas.remy)
    for n in range(2 * three_pins):
        job = synced_data.create_job(acme, f"Hidden {n}", status="closed" if n % 2 else "open")
        if n % 2:  # visible, but closed jobs are not listed as pinned
            synced_data.create_grant(remy, job)
        Pin.objects.create(membership=personas.remy, job=job)
    first_job, *new_jobs = [synced_data.create_job(acme, f"New {n}") for n in range(three_pins + 1)]
    for job in (first_job, *new_jobs):
        synced_data.create_grant(remy, job)
        client.post(reverse("jobs:set_pin", args=[job.pk]), {"pinned": "yes"})
    page = client.get(LIST)
    assert [row.job for row in page.context["pinned"]] == [first_job, *new_jobs[: three_pins - 1]]
    assert "Unpin one first" in page.content.decode()
    client.post(reverse("jobs:set_pin", args=[first_job.pk]), {"pinned": "no"})
    client.post(reverse("jobs:set_pin", args=[new_jobs[-1].pk]), {"pinned": "yes"})
    assert Pin.objects.filter(job=new_jobs[-1]).exists()


def test_closed_job_pins_are_limited(
    acme, sam, personas: Personas, sign_in, three_pins: int
) -> None:
    client = sign_in(personas.sam)
    for n in range(three_pins + 1):
        job = synced_data.create_job(acme, f"Old {n}", status="closed")
        client.post(reverse("jobs:set_pin", args=[job.pk]))
    assert Pin.objects.count() == three_pins


@pytest.mark.parametrize("name", ["zoe", "remy", "uma"])
def test_pin_404_without_access(acme, remy, personas: Personas, sign_in, name: str) -> None:
    job = synced_data.create_job(acme)
    client = sign_in(getattr(personas, name))
    assert client.post(reverse("jobs:set_pin", args=[job.pk])).status_code == 404
    assert not Pin.objects.exists()


def test_default_view_opens_with_list(acme, sam, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    form_data = {"name": "My longest waits", "query": "sort=waiting&mine=1&evil=1", "default": "on"}
    assert client.post(reverse("jobs:save_view"), form_data).status_code == 302
    response = client.get(LIST)
    assert response.status_code == 302
    assert response.url == f"{LIST}?mine=1&sort=waiting"
    assert "My longest waits" in client.get(response.url).content.decode()
    view = SavedView.objects.get()
    change_url = reverse("jobs:update_saved_view", args=[view.pk])
    client.post(change_url, {"action": "clear_default"})
    assert client.get(LIST).status_code == 200
    client.post(change_url, {"action": "delete"})
    assert not SavedView.objects.exists()


def test_saved_view_default_and_name_unique(acme, sam, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    for name, query in (("A", "mine=1"), ("B", "with_active=1"), ("A", "age=30")):
        client.post(reverse("jobs:save_view"), {"name": name, "query": query, "default": "on"})
    views = SavedView.objects.values_list("name", "query", "is_default")
    assert list(views) == [("A", "age=30", True), ("B", "with_active=1", False)]


@pytest.mark.parametrize("query", ["nurse", "REQ-7", "1000000007"])
def test_saved_view_keeps_job_search_terms(
    acme, sam, personas: Personas, sign_in, query: str
) -> None:
    synced_data.create_job(acme, "Nurse, nights", requisition_id="REQ-7")
    response = sign_in(personas.sam).post(
        reverse("jobs:save_view"), {"name": "A", "query": f"q={query}&mine=1"}
    )
    assert response.url == f"{LIST}?q={query}&mine=1"
    assert SavedView.objects.get().query == f"q={query}&mine=1"


def test_saved_view_drops_candidate_names(acme, sam, personas: Personas, sign_in) -> None:
    synced_data.create_application(
        synced_data.create_job(acme, "Nurse"),
        synced_data.create_candidate(acme, "Jolanta Kwiatkowska"),
    )
    client = sign_in(personas.sam)
    form_data = {"name": "A", "query": "q=jolanta&mine=1"}
    response = client.post(reverse("jobs:save_view"), form_data)
    assert response.url == f"{LIST}?mine=1"
    assert "The search terms weren&#x27;t saved" in client.get(LIST).content.decode()
    assert SavedView.objects.get().query == "mine=1"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "This view would show the whole list"),
        ("status=open&evil=1", "This view would show the whole list"),
        ("q=jolanta", "Search terms that may be a candidate&#x27;s name aren&#x27;t saved"),
    ],
)
def test_empty_view_is_refused(
    acme, sam, personas: Personas, sign_in, query: str, message: str
) -> None:
    response = sign_in(personas.sam).post(
        reverse("jobs:save_view"), {"name": "Empty", "query": query}
    )
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not SavedView.objects.exists()


def test_saved_views_are_limited(
    acme, sam, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.jobs.saved_views.MAX_SAVED_VIEWS", 1)
    client = sign_in(personas.sam)
    for name, status in (("A", 302), ("B", 422), ("A", 302)):
        response = client.post(reverse("jobs:save_view"), {"name": name, "query": "mine=1"})
        assert response.status_code == status


def test_saved_view_requires_name(acme, sam, personas: Personas, sign_in) -> None:
    response = sign_in(personas.sam).post(
        reverse("jobs:save_view"), {"name": " ", "query": "mine=1"}
    )
    assert response.status_code == 422
    assert "Enter a name for the view" in response.content.decode()


@pytest.mark.parametrize("surrogate", ["%ED%A0%80", "%ED%B0%80a"])
def test_lone_surrogate_in_view_accepted(
    acme, sam, personas: Personas, sign_in, surrogate: str
) -> None:
    client = sign_in(personas.sam)
    form = f"name=A{surrogate}&query=q%3D{surrogate.replace('%', '%25')}%26mine%3D1&default=on"
    response = client.post(
        reverse("jobs:save_view"), form, content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code == 302
    assert client.get(LIST, follow=True).status_code == 200
    assert SavedView.objects.get().query == "mine=1"
    assert client.get(f"{reverse('jobs:export_csv')}?q={surrogate}").getvalue()
    assert client.get(f"{reverse('jobs:explain_access')}?job={surrogate}").status_code in {200, 422}


@pytest.mark.parametrize("name", ["zoe", "remy"])
def test_saved_view_404_for_others(acme, sam, personas: Personas, sign_in, name: str) -> None:
    view = SavedView.objects.create(membership=personas.sam, name="Mine", query="mine=1")
    stranger = sign_in(getattr(personas, name))
    change_url = reverse("jobs:update_saved_view", args=[view.pk])
    assert stranger.post(change_url, {"action": "delete"}).status_code == 404
    assert SavedView.objects.exists()


def test_export_holds_exactly_visible_jobs(acme, sam, remy, personas: Personas, sign_in) -> None:
    nurse = synced_data.create_job(acme, "Nurse", requisition_id="REQ-1")
    synced_data.create_job(acme, "Spy", confidential=True)
    synced_data.create_job(acme, "Cook")
    synced_data.create_application(nurse, synced_data.create_candidate(acme))
    synced_data.create_application(nurse, synced_data.create_candidate(acme, private=True))
    header, *rows = _export_rows(sign_in(personas.sam))
    assert [row[0] for row in rows] == ["Cook", "Nurse"]
    cells = dict(zip(header, rows[1], strict=True))
    assert cells["Requisition ID"] == "REQ-1"
    assert cells["Active applications"] == "1"
    assert cells["Synced at"].endswith("Z")
    assert [row[0] for row in _export_rows(sign_in(personas.sam), "q=coo")[1:]] == ["Cook"]
    assert _export_rows(sign_in(personas.zoe))[1:] == []
    assert _export_rows(sign_in(personas.remy))[1:] == []
    assert Entry.objects.filter(verb="jobs.exported").count() == 4


def test_export_log_omits_search_terms(acme, sam, personas: Personas, sign_in) -> None:
    synced_data.create_application(
        synced_data.create_job(acme, "Nurse"),
        synced_data.create_candidate(acme, "Jolanta Kwiatkowska"),
    )
    assert (
        len(_export_rows(sign_in(personas.sam), "q=Jolanta+Kwiatkowska&with_active=&sort=opened"))
        == 2
    )
    _export_rows(sign_in(personas.sam), "sort=opened")
    with_query, without_query = Entry.objects.filter(verb="jobs.exported").order_by("id")
    assert with_query.after == {"query": "sort=opened", "search_terms": "not shown"}
    assert without_query.after == {"query": "sort=opened"}


@pytest.mark.parametrize("title", ["=1+1", "@SUM(A1)", " =1"])
def test_export_escapes_formulas(acme, sam, personas: Personas, sign_in, title: str) -> None:
    synced_data.create_job(acme, title)
    assert _export_rows(sign_in(personas.sam))[1][0] == title.replace(
        title.strip(), f"'{title.strip()}"
    )


def test_export_chunk_cost_is_constant(
    acme, sam, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.jobs.job_list.csv_export.CHUNK_SIZE", 3)
    client = sign_in(personas.sam)
    _export_rows(client)
    query_counts = []
    for n in range(8):
        synced_data.create_job(acme, f"Job {n}")
        if n in {1, 4, 7}:  # one, two and three chunks
            with CaptureQueriesContext(database) as captured:
                row = _export_rows(client)[-1]
            query_counts.append(len(captured))
            assert row[0] == f"Job {n}"
    assert [row[0] for row in _export_rows(client)[1:]] == [f"Job {n}" for n in range(8)]
    assert query_counts[2] - query_counts[1] == query_counts[1] - query_counts[0] > 0
