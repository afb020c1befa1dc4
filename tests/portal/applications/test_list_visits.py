"""Lists that change while somebody works through them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.applications.models import ApplicationAction
from portal.applications.page.application_list import ApplicationList
from portal.applications.page.filters import SORT_ORDERS, STATUS_LABELS, ApplicationFilters
from portal.applications.views import activity, job_page_context
from portal.entitlements.rules import get_rights
from portal.sync.models import Application, Candidate, Job, Stage
from portal.web import list_visits
from tests.personas import Personas
from tests.portal.applications.action_helpers import find_application
from tests.portal.applications.batch_helpers import confirm_batch

SIZE = 10


@pytest.fixture
def remy(personas: Personas, connect, sign_in, monkeypatch: pytest.MonkeyPatch) -> Client:
    connect("harvest_oauth")
    monkeypatch.setattr(job_page_context, "PER_PAGE", SIZE)
    return sign_in(personas.remy)


@pytest.fixture
def job(remy: Client) -> Job:
    """A requisition with 35 active applications."""
    template = find_application()
    job = template.job
    Application.objects.filter(job=job).delete()
    for number in range(35):
        _add_application(template, number)
    return job


def _add_application(template: Application, number: int) -> Application:
    candidate = Candidate.objects.create(
        connection_id=template.connection_id,
        remote_id=7_000_000 + number,
        first_name="Kit",
        last_name=f"Number{number}",
    )
    return Application.objects.create(
        connection_id=template.connection_id,
        remote_id=8_000_000 + number,
        job=template.job,
        candidate=candidate,
        stage=template.stage,
        stage_name=template.stage_name,
        stage_remote_id=template.stage_remote_id,
        status="active",
        last_activity_at=timezone.now() - timedelta(days=number + 1),
    )


def _url(job: Job, query: str = "status=active") -> str:
    return f"{reverse('applications:job_detail', args=[job.pk])}?{query}"


def _follow_pages(client: Client, url: str) -> Iterator[tuple[str, list[int]]]:
    """The path and rows of each page, by its Next links."""
    path = url.partition("?")[0]
    while url:
        html = client.get(url).content.decode()
        ids = [int(pk) for pk in re.findall(r'<tr id="application-(\d+)"', html)]
        yield url, ids
        url = path + _find_link(html, "next") if _find_link(html, "next") else ""


def _find_link(html: str, rel: str) -> str:
    link = re.search(rf'href="([^"]*)" rel="{rel}"', html)
    return link[1].replace("&amp;", "&") if link else ""


def _walk(client: Client, url: str, on_page=lambda ids: None) -> list[int]:
    shown = []
    for _, ids in _follow_pages(client, url):
        shown += ids
        on_page(ids)
    return shown


def _reject(ids: list[int]) -> None:
    Application.objects.filter(pk__in=ids).update(status="rejected")


def _lift(ids: list[int]) -> None:
    Application.objects.filter(pk__in=ids).update(last_activity_at=timezone.now())


def _list_ids(job: Job) -> set[int]:
    return set(Application.objects.filter(job=job).values_list("pk", flat=True))


def test_next_page_after_rejections_skips_nobody(remy: Client, job: Job) -> None:
    shown = _walk(remy, _url(job), _reject)
    assert len(shown) == 35
    assert set(shown) == _list_ids(job)


def test_stage_filter_after_advances_skips_nobody(remy: Client, job: Job) -> None:
    stage = Application.objects.filter(job=job).first().stage
    later_stage = Stage.objects.filter(job=job).exclude(pk=stage.pk).first()

    def advance(ids: list[int]) -> None:
        Application.objects.filter(pk__in=ids[:3]).update(stage=later_stage)

    shown = _walk(remy, _url(job, f"status=active&stage={stage.pk}"), advance)
    assert len(shown) == 35
    assert set(shown) == _list_ids(job)


def test_activity_neither_repeats_nor_skips(remy: Client, job: Job) -> None:
    def lift(ids: list[int]) -> None:
        last = Application.objects.filter(job=job).order_by("last_activity_at").first()
        _lift([*ids[:2], last.pk])

    shown = _walk(remy, _url(job), lift)
    assert len(shown) == 35
    assert set(shown) == _list_ids(job)


def test_newly_matching_row_shown_on_later_page(remy: Client, job: Job) -> None:
    newcomer = Application.objects.filter(job=job).order_by("last_activity_at").last()
    _reject([newcomer.pk])

    def readmit(ids: list[int]) -> None:
        Application.objects.filter(pk=newcomer.pk).update(status="active")

    shown = _walk(remy, _url(job), readmit)
    assert shown.count(newcomer.pk) == 1
    assert len(shown) == 35


def test_shown_page_keeps_its_rows(remy: Client, job: Job) -> None:
    (first, first_ids), (second, second_ids), *_ = _follow_pages(remy, _url(job))
    _reject(first_ids[:5] + second_ids[:5])
    _lift(second_ids[5:])
    html = remy.get(second).content.decode()
    assert [int(pk) for pk in re.findall(r'<tr id="application-(\d+)"', html)] == second_ids
    assert "11 to 20 of 35" in html
    path = first.partition("?")[0]
    previous = remy.get(path + _find_link(html, "prev")).content.decode()
    assert [int(pk) for pk in re.findall(r'<tr id="application-(\d+)"', previous)] == first_ids


def test_row_made_invisible_is_not_shown(remy: Client, job: Job) -> None:
    (_, _), (second, second_ids), *_ = _follow_pages(remy, _url(job))
    hidden = Application.objects.get(pk=second_ids[0])
    Candidate.objects.filter(pk=hidden.candidate_id).update(private=True)
    html = remy.get(second).content.decode()
    assert f'id="application-{hidden.pk}"' not in html
    assert str(hidden.candidate) not in html
    assert "1 no longer available to you" in html


def test_shared_link_obeys_readers_rights(
    remy: Client, job: Job, personas: Personas, sign_in
) -> None:
    _, (second, second_ids), *_ = _follow_pages(remy, _url(job))
    _reject(second_ids[:1])
    hidden = Application.objects.filter(pk=second_ids[1])
    Candidate.objects.filter(pk__in=hidden.values("candidate")).update(private=True)
    shown_to_sam = _walk(sign_in(personas.sam), second)
    assert len(shown_to_sam) == len(set(shown_to_sam))
    assert second_ids[0] not in shown_to_sam
    assert set(second_ids[2:]) <= set(shown_to_sam)
    assert sign_in(personas.zoe).get(second).status_code == 404


def test_expired_visit_is_rebuilt_in_current_order(
    remy: Client, job: Job, monkeypatch: pytest.MonkeyPatch, advance_clock
) -> None:
    monkeypatch.setattr(list_visits, "VISIT_SECONDS", 0.001)
    (_, first_ids), (second, second_ids), *_ = _follow_pages(remy, _url(job))
    advance_clock(1)
    _reject(first_ids[:3])
    _, ids = next(_follow_pages(remy, second))
    assert ids == second_ids


@pytest.mark.parametrize(
    "query",
    [
        "page=2&visit=aaaaaaaaaaaa",
        "page=999999999999999999999999&visit=aaaaaaaaaaaa&first=x",
        "page=%D9%A2&visit=%00&first=%00",
        "page=-1&visit=a%20b",
        "page=2&first=WzFd:1:1&visit=../../etc",
    ],
)
def test_tampered_visit_shows_list(remy: Client, job: Job, query: str) -> None:
    response = remy.get(_url(job, query))
    assert response.status_code == 200
    assert response.content.decode().count('<tr id="application-') in {5, SIZE}


def test_visit_of_other_filter_is_not_used(remy: Client, job: Job) -> None:
    _, (second, _), *_ = _follow_pages(remy, _url(job))
    response = remy.get(second.replace("status=active", "status=rejected"))
    assert response.content.decode().count('<tr id="application-') == 0


def test_two_tabs_page_independently(remy: Client, job: Job) -> None:
    first_tab, second_tab = _follow_pages(remy, _url(job)), _follow_pages(remy, _url(job))
    shown: tuple[list[int], list[int]] = ([], [])
    for pages in zip(first_tab, second_tab, strict=True):
        for tab, (_, ids) in zip(shown, pages, strict=True):
            tab += ids
            _lift(ids[:1])
    assert set(shown[0]) == set(shown[1]) == _list_ids(job)
    assert len(shown[0]) == len(shown[1]) == 35


def test_page_queries_independent_of_list_size(
    remy: Client, job: Job, django_assert_max_num_queries
) -> None:
    _, (second, _), *_, (last, _) = _follow_pages(remy, _url(job))
    counts = []
    for url in (second, last):
        remy.get(url)
        with django_assert_max_num_queries(60) as queries:
            remy.get(url)
        counts.append(len(queries))
    assert abs(counts[0] - counts[1]) <= 1  # the last page asks for no further rows


@pytest.mark.parametrize("status", STATUS_LABELS)
def test_compiled_first_page(personas: Personas, job: Job, status: str) -> None:
    ids = list(Application.objects.filter(job=job).values_list("pk", flat=True))
    Application.objects.filter(pk__in=ids[:5]).update(status="hired", needs_decision=False)
    Application.objects.filter(pk__in=ids[5:20]).update(needs_decision=True)
    for order in SORT_ORDERS.values():
        filters = ApplicationFilters(status=status, order=order)
        application_list = ApplicationList(job, get_rights(personas.remy), filters)
        assert application_list.has_plain_filters
        expected = list(application_list.matching[:SIZE])
        assert application_list.load_first(SIZE) == expected
        assert application_list.load_first_ids(SIZE) == [row.pk for row in expected]


def test_count_comes_from_stage_counts(remy: Client, job: Job) -> None:
    with CaptureQueriesContext(connection) as captured:
        html = remy.get(_url(job)).content.decode()
    assert "1 to 10 of 35" in html
    statements = [query["sql"] or "" for query in captured]  # none: it was prepared
    assert not [sql for sql in statements if "COUNT(*) AS" in sql]


def test_impersonation_pages_without_writing(
    remy: Client, job: Job, personas: Personas, sign_in
) -> None:
    cas = sign_in(personas.cas)
    start_url = reverse("admin:start_impersonation", args=[personas.remy.pk])
    cas.post(start_url, {"reason": "Cannot find the second page of a list"})
    shown = _walk(cas, _url(job))
    assert len(shown) == 35
    assert set(shown) == _list_ids(job)


def test_activity_pages_stable_under_new_actions(
    remy: Client, job: Job, personas: Personas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "PER_PAGE", 2)
    applications = list(Application.objects.filter(job=job)[:6])

    def act(application: Application) -> int:
        return ApplicationAction.objects.create(
            application=application, membership=personas.remy, kind="advance", status="done"
        ).pk

    actions = {act(application) for application in applications[:4]}
    url = reverse("applications:my_activity")
    first = remy.get(url).context["page"]
    act(applications[4])
    second = remy.get(url + first.next_url).context["page"]
    third = remy.get(url + second.next_url).context["page"]
    shown = [action.pk for page in (first, second, third) for action in page]
    assert len(shown) == len(set(shown)) == 5
    assert actions <= set(shown)


def test_list_ends_after_its_bound_and_says_so(
    remy: Client, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_visits, "MAX_ROWS", 2 * SIZE)
    (first, first_ids), (second, second_ids) = _follow_pages(remy, _url(job))
    assert len(set(first_ids + second_ids)) == 2 * SIZE
    assert "filter the list" not in remy.get(first).content.decode()
    assert "11 to 20 of 35. To see the rest, filter the list." in remy.get(second).content.decode()


def test_jumps_to_late_pages_are_limited(remy: Client, job: Job, settings) -> None:
    settings.LIST_REBUILDS = (2, 3600)
    shown = [
        remy.get(_url(job, f"status=active&page=3&visit={letter * 12}")).context["page"].number
        for letter in "abcd"
    ]
    assert shown == [3, 3, 1, 1]
    assert len(_walk(remy, _url(job))) == 35


def _open_all_matching(client: Client, page, kind: str = "advance"):
    html = page.content.decode()
    [token] = re.findall(r'name="matching" value="([^"]*)"', html)
    job = page.context["job"]
    return client.get(
        reverse("applications:start_batch", args=[job.pk]),
        {"kind": kind, "status": "active", "stage": "", "all_matching": "yes", "matching": token},
    )


def test_all_matching_takes_exactly_the_announced(remy: Client, job: Job) -> None:
    announced = _list_ids(job)
    page = remy.get(_url(job))
    assert "All 35 matching" in page.content.decode()
    template = Application.objects.filter(job=job).select_related("job", "stage")[0]
    newcomers = [_add_application(template, 100 + number) for number in range(10)]
    preview = _open_all_matching(remy, page)
    html = preview.content.decode()
    assert "New, not included (10)" in html
    assert str(newcomers[0].candidate) in html
    confirm_batch(remy, "advance", [template], page=preview)
    acted_on = set(ApplicationAction.objects.values_list("application_id", flat=True))
    assert acted_on == announced


def test_all_matching_names_rows_that_left(remy: Client, job: Job) -> None:
    page = remy.get(_url(job))
    *_, left, hidden = Application.objects.filter(job=job).order_by("pk")
    _reject([left.pk])
    Candidate.objects.filter(pk=hidden.candidate_id).update(private=True)
    preview = _open_all_matching(remy, page)
    html = preview.content.decode()
    assert "Advance 33 applications" in html
    assert "Skipped (1)" in html
    assert str(left.candidate) in html
    assert "No longer matches" in html
    assert "1 skipped: no longer available to you" in " ".join(html.split())
    assert str(hidden.candidate) not in html


@pytest.mark.parametrize("token", ["", "x", "\x00", "WzFd:1:1"])
def test_tampered_announcement_previews_current_list(remy: Client, job: Job, token: str) -> None:
    response = remy.get(
        reverse("applications:start_batch", args=[job.pk]),
        {"kind": "advance", "status": "active", "all_matching": "yes", "matching": token},
    )
    assert response.status_code == 200
    assert "Advance 35 applications" in response.content.decode()
