"""Finding applications on a requisition's page: search, filters, order, views and export."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.applications.page.filters import format_answer
from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.jobs.models import SavedView
from portal.sync.models import Application, Candidate, CustomField, Job, Source, SyncRun
from tests.factories import ConnectionFactory
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data

ANYBODY = [
    # name, company, title
    ("Anna Weiß", "Krüger & Söhne", "Senior Nurse"),
    ("José García", "Spital Zürich", "Nurse"),
    ("Mia Nurse", "", "Cook"),
    ("小龙 李", "北京 Clinic", "Surgeon"),
]


@pytest.fixture
def personas(db: None) -> Personas:
    return create_personas()


@pytest.fixture
def acme(personas: Personas) -> Connection:
    made = ConnectionFactory(organization=personas.ada.organization, state="live")
    now = timezone.now()
    SyncRun.objects.create(connection=made, status="done", started_at=now, finished_at=now)
    synced_data.create_user(made, "sam@acme.example", name="Sam Okafor", site_admin=True)
    return made


@pytest.fixture
def job(acme: Connection) -> Job:
    return synced_data.create_job(acme, "Nurse")


@pytest.fixture
def sam(acme: Connection, personas: Personas, sign_in) -> Client:
    return sign_in(personas.sam)


def _add(job: Job, name: str, *, company: str = "", title: str = "", **fields: Any) -> Application:
    candidate = synced_data.create_candidate(job.connection, name)
    candidate.company, candidate.title = company, title
    candidate.save()
    return synced_data.create_application(job, candidate, **fields)


def _get_url(job: Job, **params: Any) -> str:
    query = f"?{urlencode(params, doseq=True)}" if params else ""
    return f"{reverse('applications:job_detail', args=[job.pk])}{query}"


def _find(client: Client, job: Job, **params: Any) -> list[str]:
    response = client.get(_get_url(job, **params))
    assert response.status_code == 200
    return [str(row.application.candidate) for row in response.context["rows"]]


def _read_csv(client: Client, job: Job, **params: Any) -> list[list[str]]:
    query = urlencode(params, doseq=True)
    response = client.get(f"{reverse('applications:export_csv', args=[job.pk])}?{query}")
    text = b"".join(response).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("weiss  anna", ["Anna Weiß"]),
        ("senior nurse", ["Anna Weiß"]),
        ("nurse anna krueger", ["Anna Weiß"]),
        ("zurich garcia", ["José García"]),
        ("NURSE", ["Anna Weiß", "José García", "Mia Nurse"]),
        ("李小龙", ["小龙 李"]),
        ("clinic 小龙", ["小龙 李"]),
        ("anna cook", []),
        ("'", []),
        ("%", []),
    ],
)
def test_search_by_name_company_and_title(
    job: Job, sam: Client, query: str, expected: list[str]
) -> None:
    for name, company, title in ANYBODY:
        _add(job, name, company=company, title=title)
    assert _find(sam, job, q=query, sort="name") == expected
    assert [row[0] for row in _read_csv(sam, job, q=query, sort="name")[1:]] == expected


def test_search_ignores_names_that_are_not_shown(acme, job: Job, sam: Client) -> None:
    _add(job, "Anna Weiß")
    _add(job, "Pia Private")
    Candidate.objects.filter(first_name="Pia").update(private=True)
    assert _find(sam, job, q="pia") == []
    synced_data.record_check(acme, missing=(synced_data.CANDIDATES,))
    page = sam.get(_get_url(job, q="zzz", sort="name"))
    assert len(page.context["rows"]) == 1
    assert page.context["filters"].order.key == "-activity"
    assert 'id="search"' not in page.content.decode()
    assert "Anna" not in str(_read_csv(sam, job, q="zzz"))


@pytest.fixture
def filled_job(acme: Connection, job: Job) -> Job:
    """Ten applications that differ by one thing each; see `FILTERED`."""
    phone = synced_data.create_stage(job, "Phone", order=1)
    synced_data.create_stage(job, "Application", order=0)
    fair = Source.objects.create(connection=acme, remote_id=1, name="Job fair")
    _create_select(acme, "level", "Level", "single_select", ["Junior", "Senior"])
    _create_select(acme, "shifts", "Shifts", "multi_select", ["Day", "Night", "Weekend"])
    _create_select(acme, "secret", "Secret", "single_select", ["Yes"], private=True)
    now = timezone.now()
    old = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
    for number, (name, fields) in enumerate(
        {
            "Stage": {"stage": phone, "stage_name": "Phone"},
            "Source": {"source": fair},
            "Named": {"source_name": "Referral"},
            "Waiting": {"entered_stage_at": now - timedelta(days=14, hours=1)},
            "Early": {"applied_at": old},
            "Level": {"custom": {"level": "Senior", "secret": "Yes"}},
            "Shifts": {"custom": {"shifts": ["Day", "Night"]}},
            "Licensed": {"answers": _build_answers(licensed="Yes")},
            "Unlicensed": {"answers": _build_answers(licensed="No", why="Because")},
            "Decide": {"needs_decision": True},
        }.items()
    ):
        _add(job, f"{name} X", **{"last_activity_at": now - timedelta(hours=number)} | fields)
    return job


def _create_select(
    acme: Connection, key: str, name: str, kind: str, options: list[str], *, private: bool = False
) -> CustomField:
    return CustomField.objects.create(
        connection=acme,
        remote_id=CustomField.objects.count() + 1,
        key=key,
        name=name,
        type=kind,
        private=private,
        options=[[number, option] for number, option in enumerate(options, 1)],
    )


LICENSED = "Are you licensed?"


def _build_answers(licensed: str, why: str = "Why not") -> list[dict[str, str]]:
    answers = {LICENSED: licensed, "Why us?": why}
    return [{"question": question, "answer": answer} for question, answer in answers.items()]


def _build_custom(key: str, option: int) -> str:
    return f"{CustomField.objects.get(key=key).pk}-{option}"


FILTERED = {
    "stage": ("Stage", lambda job: {"stage": job.stages.get(name="Phone").pk}),
    "source": ("Source", lambda job: {"source": "Job fair"}),
    "source_name": ("Named", lambda job: {"source": "Referral"}),
    "days": ("Waiting", lambda job: {"days": 14}),
    "dates": ("Early", lambda job: {"applied_from": "2026-03-09", "applied_to": "2026-03-09"}),
    "single": ("Level", lambda job: {"custom": _build_custom("level", 2)}),
    "multi": ("Shifts", lambda job: {"custom": _build_custom("shifts", 2)}),
    "answer": ("Licensed", lambda job: {"answer": format_answer((LICENSED, "Yes"))}),
    "decision": ("Decide", lambda job: {"status": "needs_decision"}),
}


@pytest.mark.parametrize("name", FILTERED)
def test_filter_finds_what_matches(filled_job: Job, sam: Client, name: str) -> None:
    expected, build_params = FILTERED[name]
    params = build_params(filled_job)
    assert _find(sam, filled_job, **params) == [f"{expected} X"]
    assert [row[0] for row in _read_csv(sam, filled_job, **params)[1:]] == [f"{expected} X"]
    assert _find(sam, filled_job, q="decide", **params) == (
        ["Decide X"] if name == "decision" else []
    )


@pytest.mark.parametrize(
    ("custom", "is_widened"), [("9999999-1", False), ("{secret}-1", False), ("x-1", True)]
)
def test_unknown_option_never_widens_selection(
    filled_job: Job, sam: Client, custom: str, is_widened: bool
) -> None:
    value = custom.format(secret=CustomField.objects.get(key="secret").pk)
    assert bool(_find(sam, filled_job, custom=value)) is is_widened


def test_only_filters_that_differ_are_offered(filled_job: Job, sam: Client) -> None:
    page = sam.get(_get_url(filled_job, filters=1))
    labels = [select.label for select in page.context["filter_selects"]]
    assert labels == ["Stage", "In stage at least", "Answer", "Source", "Level", "Shifts", LICENSED]
    assert "Why us?" not in page.content.decode()
    html = page.content.decode()
    assert "Junior" not in html
    assert "Weekend" not in html
    partial = sam.get(
        _get_url(filled_job), HTTP_HX_REQUEST="true", HTTP_HX_TARGET="applications-filters"
    ).content.decode()
    assert partial.count("<select") == len(labels)
    assert "<html" not in partial


def test_offered_filters_follow_permissions(acme, filled_job: Job, sam: Client) -> None:
    custom = _build_custom("level", 2)
    synced_data.record_check(acme, missing=("custom_fields.list", "application_stages.list"))
    page = sam.get(_get_url(filled_job, filters=1, custom=custom, days=14, sort="-days"))
    labels = [select.label for select in page.context["filter_selects"]]
    assert labels == ["Stage", "Answer", "Source", LICENSED]
    assert len(page.context["rows"]) == 10
    assert "Longest in stage" not in page.content.decode()


def test_chosen_option_stays_in_its_select(filled_job: Job, sam: Client) -> None:
    params = {
        "source": "No longer used",
        "answer": format_answer(("Old question", "Old answer")),
        "custom": _build_custom("level", 1),
    }
    html = sam.get(_get_url(filled_job, **params)).content.decode()
    for label in ("No longer used", "Old answer", "Junior"):
        assert re.search(rf"<option [^>]* selected>{label}</option>", html)


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("name", "Decide", "Waiting"),
        ("-name", "Waiting", "Decide"),
        ("activity", "Decide", "Stage"),
        ("-activity", "Stage", "Decide"),
        ("-days", "Waiting", None),
        ("days", "Waiting", None),
        ("applied", "Early", None),
        ("stage", "Stage", None),
        ("-source", "Named", None),
    ],
)
def test_sort_by_each_column(
    filled_job: Job, sam: Client, sort: str, first: str, last: str | None
) -> None:
    names = _find(sam, filled_job, sort=sort)
    assert names[0] == f"{first} X"
    assert last is None or names[-1] == f"{last} X"
    assert [row[0] for row in _read_csv(sam, filled_job, sort=sort)[1:]] == names


def test_column_heading_sorts_both_ways(filled_job: Job, sam: Client) -> None:
    columns = {c.label: c for c in sam.get(_get_url(filled_job, q="x")).context["columns"]}
    assert columns["Last activity"].sorted == "descending"
    by_name = f"{reverse('applications:job_detail', args=[filled_job.pk])}?"
    page = sam.get(by_name + columns["Candidate"].query)
    html = page.content.decode()
    assert html.count("aria-sort") == 1
    assert 'aria-sort="ascending"' in html
    reversed_query = next(c for c in page.context["columns"] if c.label == "Candidate").query
    assert "sort=-name" in reversed_query
    assert "q=x" in reversed_query


def test_reversed_dates_are_explained(filled_job: Job, sam: Client) -> None:
    url = _get_url(filled_job, applied_from="2026-05-01", applied_to="2026-04-01")
    assert "Swap the dates" in sam.get(url).content.decode()


def test_empty_result_offers_all_statuses(filled_job: Job, sam: Client) -> None:
    Application.objects.filter(job=filled_job).update(status="rejected")
    html = sam.get(_get_url(filled_job, q="stage")).content.decode()
    link = re.search(r'href="([^"]*)">Search all statuses', html)
    assert link
    path = reverse("applications:job_detail", args=[filled_job.pk])
    page = sam.get(path + link[1].replace("&amp;", "&"))
    assert len(page.context["rows"]) == 1


def test_requisition_without_applications_says_none_yet(filled_job: Job, sam: Client) -> None:
    applications = Application.objects.filter(job=filled_job)
    url = _get_url(filled_job)
    applications.update(status="rejected")
    assert "No matching applications" in sam.get(url).content.decode()
    applications.update(gone_at=timezone.now())
    html = sam.get(url).content.decode()
    assert "No applications yet" in html
    assert "No matching applications" not in html


def test_typing_replaces_the_address(filled_job: Job, sam: Client) -> None:
    path = reverse("applications:job_detail", args=[filled_job.pk])
    headers = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TRIGGER": "applications-search"}
    first = sam.get(
        f"{path}?status=active&q=s&source=",
        HTTP_HX_CURRENT_URL=f"http://testserver{path}",
        **headers,
    )
    assert first["HX-Push-Url"] == f"{path}?status=active&q=s"
    current = f"http://testserver{path}?status=active&q=s"
    typed = sam.get(f"{path}?status=active&q=st", HTTP_HX_CURRENT_URL=current, **headers)
    assert typed["HX-Replace-Url"] == f"{path}?status=active&q=st"
    sorted_ = sam.get(f"{path}?q=st&sort=name", HTTP_HX_CURRENT_URL=current, **headers)
    assert sorted_["HX-Push-Url"] == f"{path}?status=active&q=st&sort=name"


HOSTILE = [
    *("１２", "1e3", "\0", "9" * 30, "-1", "[" * 2000, "1-\0", "９-１", "0001-01-01", "9999-12-31"),
    *(
        "2026-02-30",
        "２０２６-01-01",
        '["a"]',
        '["a", 1]',
        '["a\\u0000", "b"]',
        '["a", "\\ud800"]',
        "x" * 5000,
    ),
]
PARAMS = (
    *("q", "status", "stage", "source", "days", "applied_from", "applied_to", "custom", "answer"),
    *("sort", "page", "visit", "first", "filters"),
)


@pytest.mark.slow("sends each hostile value to each address of the list")
def test_hostile_values_are_ignored(filled_job: Job, sam: Client) -> None:
    for value in HOSTILE:
        params = dict.fromkeys(PARAMS, value)
        for path in ("", "export.csv", "bulk/"):
            query = {**params, "kind": "advance", "all_matching": "yes"}
            response = sam.get(f"{_get_url(filled_job)}{path}", query)
            assert response.status_code == 200, (path, value)
            response.getvalue()
        view = {"name": "A", "query": urlencode(params)}
        for path, posted in (("views/", view), ("review/start/", params)):
            response = sam.post(f"{_get_url(filled_job)}{path}", posted)
            assert response.status_code in {302, 422}, (path, value)
    assert len(_find(sam, filled_job, custom="x", days="1e3", source="", applied_to="x")) == 10


def test_saved_view_belongs_to_its_list(filled_job: Job, sam: Client, personas, sign_in) -> None:
    save_url = reverse("applications:save_view", args=[filled_job.pk])
    query = urlencode({"status": "active", "days": "14", "sort": "-days", "evil": "1", "q": "weiß"})
    response = sam.post(save_url, {"name": "Waiting", "query": query, "default": "on"})
    path = reverse("applications:job_detail", args=[filled_job.pk])
    assert response.url == f"{path}?status=active&days=14&sort=-days"
    assert sam.get(path).url == response.url
    page = sam.get(response.url)
    assert "Search terms aren&#x27;t saved" in page.content.decode()
    assert [str(row.application.candidate) for row in page.context["rows"]] == ["Waiting X"]
    assert sam.get("/requisitions/").context["views"] == []
    other_job = synced_data.create_job(filled_job.connection, "Cook")
    assert sam.get(_get_url(other_job)).context["views"] == []
    view = SavedView.objects.get()
    update_url = reverse("jobs:update_saved_view", args=[view.pk])
    assert sign_in(personas.remy).post(update_url, {"action": "delete"}).status_code == 404
    assert sam.post(update_url, {"action": "clear_default"}).url == f"{path}?status=active"
    assert sam.get(path).status_code == 200
    sam.post(update_url, {"action": "delete"})
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "This view would show the whole list"),
        ("status=active&sort=-activity", "This view would show the whole list"),
        ("q=weiss", "Search terms that may be a candidate&#x27;s name aren&#x27;t saved"),
        ('answer=["Why us?", "Because"]', "This view would show the whole list"),
    ],
)
def test_empty_view_is_refused(filled_job: Job, sam: Client, query: str, message: str) -> None:
    save_url = reverse("applications:save_view", args=[filled_job.pk])
    response = sam.post(save_url, {"name": "A", "query": query})
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not SavedView.objects.exists()


def test_export_contains_exactly_the_list(filled_job: Job, sam: Client, personas) -> None:
    _add(filled_job, "=1+1", company="@SUM(A1)", status="rejected")
    private = _add(filled_job, "Pia Private")
    Candidate.objects.filter(pk=private.candidate_id).update(private=True)
    header, *rows = _read_csv(sam, filled_job)
    assert header[:3] == ["Candidate", "Title", "Company"]
    assert len(rows) == 10
    cells = dict(zip(header, _read_csv(sam, filled_job, q="waiting")[1], strict=True))
    assert cells["Days in stage"] == "14"
    assert [row[:3] for row in _read_csv(sam, filled_job, status="rejected")[1:]] == [
        ["'=1+1", "", "'@SUM(A1)"]
    ]
    entries = Entry.objects.filter(verb="applications.exported").order_by("id")
    answer = format_answer((LICENSED, "Yes"))
    _read_csv(sam, filled_job, q="weiß", answer=answer)
    assert [(entry.after or {})["query"] for entry in entries] == [
        "status=active",
        "status=active",
        "status=rejected",
        "status=active",
    ]
    last_entry = entries.last()
    assert last_entry is not None
    assert last_entry.after is not None
    assert last_entry.by == personas.sam.user
    assert last_entry.after["job"] == filled_job.remote_id
    assert (last_entry.after["search_terms"], last_entry.after["answers"]) == ("not shown",) * 2


@pytest.mark.parametrize("name", ["zoe", "remy", "uma"])
def test_list_urls_404_without_access(filled_job: Job, personas, sign_in, name: str) -> None:
    client = sign_in(getattr(personas, name))
    for status in ("open", "closed"):
        Job.objects.filter(pk=filled_job.pk).update(status=status)
        assert client.get(_get_url(filled_job)).status_code == 404
        export_url = reverse("applications:export_csv", args=[filled_job.pk])
        assert client.get(export_url).status_code == 404
        save_url = reverse("applications:save_view", args=[filled_job.pk])
        assert client.post(save_url, {"name": "A", "query": "days=3"}).status_code == 404
    assert not SavedView.objects.exists()
    assert not Entry.objects.filter(verb="applications.exported").exists()


def _follow_pages(client: Client, url: str) -> list[list[Application]]:
    path, pages, urls = url.partition("?")[0], [], [url]
    while urls:
        page = client.get(urls.pop()).context["page"]
        pages.append(list(page))
        urls += [path + page.next_url] if page.next_url else []
        Application.objects.filter(pk__in=[a.pk for a in page][:2]).update(status="rejected")
        Application.objects.filter(pk__in=[a.pk for a in page][2:4]).update(
            last_activity_at=timezone.now(), applied_at=timezone.now()
        )
    return pages


@pytest.mark.parametrize("sort", ["name", "-applied", "activity", "-days", "status"])
def test_visit_of_filtered_list_skips_nobody(
    acme, job: Job, sam: Client, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    monkeypatch.setattr("portal.applications.views.job_page_context.PER_PAGE", 5)
    start = timezone.now() - timedelta(days=40)
    wanted = set()
    for number in range(18):
        day = start + timedelta(days=number)
        application = _add(
            job,
            f"Kit {number:02}",
            source_name="Fair" if number % 3 else "",
            applied_at=day,
            last_activity_at=day,
            entered_stage_at=day,
        )
        wanted |= {application.pk} if number % 3 else set()
    params = {"source": "Fair", "days": 7, "q": "kit", "sort": sort}
    pages = _follow_pages(sam, _get_url(job, **params))
    shown = [application.pk for page in pages for application in page]
    assert len(shown) == len(set(shown)) == 12
    assert set(shown) == wanted


def test_all_matching_follows_the_filters(filled_job: Job, sam: Client) -> None:
    params = {"q": "licensed", "answer": format_answer((LICENSED, "No")), "sort": "name"}
    response = sam.get(
        reverse("applications:start_batch", args=[filled_job.pk]),
        params | {"kind": "advance", "all_matching": "yes"},
    )
    assert response.context["selection"] == "All 1 matching active application selected."
    html = sam.get(_get_url(filled_job, **params)).content.decode()
    bulk_form = html.partition('<form id="bulk"')[2].partition("</form>")[0]
    assert 'name="q" value="licensed"' in bulk_form
    assert 'name="answer"' in bulk_form


def test_review_follows_filters_and_order(filled_job: Job, sam: Client) -> None:
    params = {"status": "active", "q": "licensed", "sort": "-name"}
    start_url = reverse("applications:start_job_review", args=[filled_job.pk])
    review = sam.post(start_url, params).url
    assert "Unlicensed X" in sam.get(review).content.decode()
    assert "status=active&amp;sort=-name" in sam.get(review).content.decode()


def test_closed_job_lists_applications_to_read(filled_job: Job, sam: Client) -> None:
    _add(filled_job, "Hanna Hired", status="hired")
    Job.objects.filter(pk=filled_job.pk).update(status="closed")
    assert "Nurse" not in [row.job.name for row in sam.get("/requisitions/").context["rows"]]
    page = sam.get(_get_url(filled_job))
    html = page.content.decode()
    assert "This requisition is closed" in html
    assert len(page.context["rows"]) == 11
    for action in ("Advance", "Reject<", "Move", "Review one by one", 'name="selected"'):
        assert action not in html
    assert _find(sam, filled_job, status="hired", q="hanna") == ["Hanna Hired"]
    assert len(_read_csv(sam, filled_job)) == 12
    application = page.context["rows"][0].application
    history = reverse("applications:history", args=[application.pk])
    assert history in html
    links = set(re.findall(r'href="(/[a-z]+/\d[^"]*)"', html + sam.get(history).content.decode()))
    assert history in links
    assert {url: sam.get(url).status_code for url in links} == dict.fromkeys(links, 200)
    assert sam.get(reverse("applications:advance", args=[application.pk])).status_code in {404, 405}
    assert sam.post(reverse("applications:advance", args=[application.pk])).status_code == 404


def _create_many(job: Job, number: int) -> None:
    """Applications as a sync leaves them, so many that pages of them would be read."""
    first = Application.objects.count()
    stage = job.stages.first() or synced_data.create_stage(job, "Phone")
    now = timezone.now()
    candidates = Candidate.objects.bulk_create(
        Candidate(
            connection_id=job.connection_id,
            remote_id=5_000_000 + n,
            first_name="Kit",
            last_name=f"Number{n}",
            company=f"Company {n % 50}",
            title="Nurse",
        )
        for n in range(first, number)
    )
    Application.objects.bulk_create(
        Application(
            connection_id=job.connection_id,
            remote_id=6_000_000 + n,
            job=job,
            candidate=candidate,
            stage=stage,
            stage_name=stage.name,
            status="rejected" if n % 4 == 3 else "active",
            applied_at=now - timedelta(minutes=n),
            last_activity_at=now - timedelta(minutes=n),
            entered_stage_at=now - timedelta(days=n % 60),
            source_name=f"Source {n % 7}",
            custom={"level": "Senior" if n % 2 else "Junior"},
            answers=_build_answers("Yes" if n % 3 else "No"),
        )
        for n, candidate in enumerate(candidates, first)
    )


@pytest.mark.slow("opens the page by eight queries at two sizes")
def test_query_count_independent_of_applications(acme, job: Job, sam: Client) -> None:
    _create_select(acme, "level", "Level", "single_select", ["Junior", "Senior"])
    everything = {
        "q": "kit nurse", "source": "Source 1", "days": 3, "sort": "-days", "stage": 1,
        "due": "soon", "applied_from": "2020-01-01", "custom": _build_custom("level", 2),
        "answer": format_answer((LICENSED, "Yes")),
    }  # fmt: skip
    queries: list[dict[str, Any]] = [
        {}, {"filters": 1}, {"q": "number1"}, {"source": "Source 1", "sort": "source"},
        {"days": 30, "sort": "-days"}, {"sort": "name"}, {"status": ""},
        {"due": "overdue", "sort": "due"}, everything,
    ]  # fmt: skip
    counts = []
    for size in (80, 2000):
        _create_many(job, size)
        sam.get(_get_url(job))
        _read_csv(sam, job, q="fills the caches")
        for params in queries:
            with CaptureQueriesContext(database) as captured:
                sam.get(_get_url(job, **params))
            counts.append(len(captured))
        with CaptureQueriesContext(database) as captured:
            assert len(_read_csv(sam, job, status="")) == size + 1
        counts.append(len(captured))
    few, many = counts[: len(counts) // 2], counts[len(counts) // 2 :]
    # A list of one page has no selection of all pages.
    assert all(
        abs(many_count - few_count) <= 2 for few_count, many_count in zip(few, many, strict=True)
    )
    assert max(counts) <= 39
