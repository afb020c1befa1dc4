"""Pins, saved views, and the list as a file."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse

from portal.audit.models import Entry
from portal.jobs.export import plain
from portal.jobs.keeping import MOST_PINS
from portal.jobs.models import Pin, SavedView
from tests.cast import Cast, gather
from tests.portal.entitlements import world

LIST = "/requisitions/"


@pytest.fixture
def cast(db: None) -> Cast:
    """Nothing here waits for a commit, so that no table has to be emptied after a test."""
    return gather()


def _file(client, query: str = "") -> list[list[str]]:
    answer = client.get(f"{reverse('jobs:export')}?{query}")
    assert answer.status_code == 200
    assert answer.streaming
    text = b"".join(answer).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_a_pinned_requisition_stands_on_top_until_it_is_taken_off(
    acme, sam, cast: Cast, sign_in
) -> None:
    world.job(acme, "Aide")
    job = world.job(acme, "Zookeeper")
    client = sign_in(cast.sam)
    pin = reverse("jobs:pin", args=[job.pk])
    assert client.post(pin, {"pinned": "yes"}).status_code == 302
    assert [row.job.name for row in client.get(LIST).context["pinned"]] == ["Zookeeper"]
    answer = client.post(pin, {"pinned": "no"}, HTTP_HX_REQUEST="true")
    assert 'aria-pressed="false"' in answer.content.decode()
    assert client.get(LIST).context["pinned"] == []


def test_what_may_no_longer_be_seen_is_no_longer_on_top(acme, sam, remy, cast, sign_in) -> None:
    job = world.job(acme)
    grant = world.grant(remy, job)
    client = sign_in(cast.remy)
    client.post(reverse("jobs:pin", args=[job.pk]))
    assert len(client.get(LIST).context["pinned"]) == 1
    grant.delete()
    assert client.get(LIST).context["pinned"] == []


def test_pins_that_are_no_longer_seen_leave_room_for_others(
    acme, sam, remy, cast: Cast, sign_in
) -> None:
    client = sign_in(cast.remy)
    for n in range(MOST_PINS):
        job = world.job(acme, f"Gone {n}", status="closed" if n % 2 else "open")
        if n % 2:  # closed ones are seen, but do not stand on top
            world.grant(remy, job)
        Pin.objects.create(membership=cast.remy, job=job)
    new, *more = [world.job(acme, f"New {n}") for n in range(MOST_PINS + 1)]
    for job in (new, *more):
        world.grant(remy, job)
        client.post(reverse("jobs:pin", args=[job.pk]), {"pinned": "yes"})
    page = client.get(LIST)
    assert [row.job for row in page.context["pinned"]] == [new, *more[: MOST_PINS - 1]]
    assert "Take one of them off first" in page.content.decode()
    client.post(reverse("jobs:pin", args=[new.pk]), {"pinned": "no"})
    client.post(reverse("jobs:pin", args=[more[-1].pk]), {"pinned": "yes"})
    assert Pin.objects.filter(job=more[-1]).exists()


def test_closed_requisitions_are_not_pinned_without_end(acme, sam, cast: Cast, sign_in) -> None:
    for n in range(MOST_PINS + 1):
        job = world.job(acme, f"Old {n}", status="closed")
        sign_in(cast.sam).post(reverse("jobs:pin", args=[job.pk]))
    assert Pin.objects.count() == MOST_PINS


@pytest.mark.parametrize("who", ["zoe", "remy", "uma"])
def test_nobody_pins_what_they_do_not_see(acme, remy, cast: Cast, sign_in, who: str) -> None:
    job = world.job(acme)
    client = sign_in(getattr(cast, who))
    assert client.post(reverse("jobs:pin", args=[job.pk])).status_code == 404
    assert not Pin.objects.exists()


def test_a_view_is_saved_and_the_list_opens_with_it(acme, sam, cast: Cast, sign_in) -> None:
    client = sign_in(cast.sam)
    kept = {"name": "My waiting ones", "query": "sort=waiting&mine=1&evil=1", "default": "on"}
    assert client.post(reverse("jobs:save_view"), kept).status_code == 302
    opened = client.get(LIST)
    assert opened.status_code == 302
    assert opened.url == f"{LIST}?mine=1&sort=waiting"
    assert "My waiting ones" in client.get(opened.url).content.decode()
    view = SavedView.objects.get()
    change = reverse("jobs:change_view", args=[view.pk])
    client.post(change, {"do": "not_default"})
    assert client.get(LIST).status_code == 200
    client.post(change, {"do": "delete"})
    assert not SavedView.objects.exists()


def test_only_one_view_is_the_default_and_a_name_is_used_once(
    acme, sam, cast: Cast, sign_in
) -> None:
    client = sign_in(cast.sam)
    for name, query in (("A", "mine=1"), ("B", "waiting=1"), ("A", "age=30")):
        client.post(reverse("jobs:save_view"), {"name": name, "query": query, "default": "on"})
    views = SavedView.objects.values_list("name", "query", "default")
    assert list(views) == [("A", "age=30", True), ("B", "waiting=1", False)]


@pytest.mark.parametrize("words", ["nurse", "REQ-7", "1000000007"])
def test_a_view_keeps_words_of_a_requisition(acme, sam, cast: Cast, sign_in, words: str) -> None:
    world.job(acme, "Nurse, nights", requisition_id="REQ-7")
    answer = sign_in(cast.sam).post(
        reverse("jobs:save_view"), {"name": "A", "query": f"q={words}&mine=1"}
    )
    assert answer.url == f"{LIST}?q={words}&mine=1"
    assert SavedView.objects.get().query == f"q={words}&mine=1"


def test_a_view_keeps_no_name_of_a_candidate_and_says_so(acme, sam, cast: Cast, sign_in) -> None:
    world.application(world.job(acme, "Nurse"), world.candidate(acme, "Jolanta Kwiatkowska"))
    client = sign_in(cast.sam)
    kept = {"name": "A", "query": "q=jolanta&mine=1"}
    answer = client.post(reverse("jobs:save_view"), kept)
    assert answer.url == f"{LIST}?mine=1"
    assert "The words you searched for are not part of it" in client.get(LIST).content.decode()
    assert SavedView.objects.get().query == "mine=1"


def test_a_view_without_a_name_is_asked_for_one(acme, sam, cast: Cast, sign_in) -> None:
    answer = sign_in(cast.sam).post(reverse("jobs:save_view"), {"name": " ", "query": "mine=1"})
    assert answer.status_code == 422
    assert "Give the view a name" in answer.content.decode()


@pytest.mark.parametrize("half", ["%ED%A0%80", "%ED%B0%80a"])
def test_half_a_character_in_a_view_is_no_fault(acme, sam, cast: Cast, sign_in, half: str) -> None:
    client = sign_in(cast.sam)
    form = f"name=A{half}&query=q%3D{half.replace('%', '%25')}%26mine%3D1&default=on"
    answer = client.post(
        reverse("jobs:save_view"), form, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 302
    assert client.get(LIST, follow=True).status_code == 200
    assert SavedView.objects.get().query == "mine=1"
    assert client.get(f"{reverse('jobs:export')}?q={half}").getvalue()
    assert client.get(f"{reverse('jobs:why')}?job={half}").status_code in {200, 422}


@pytest.mark.parametrize("who", ["zoe", "remy"])
def test_views_are_of_their_owner_alone(acme, sam, cast: Cast, sign_in, who: str) -> None:
    view = SavedView.objects.create(membership=cast.sam, name="Mine", query="mine=1")
    other = sign_in(getattr(cast, who))
    change = reverse("jobs:change_view", args=[view.pk])
    assert other.post(change, {"do": "delete"}).status_code == 404
    assert SavedView.objects.exists()


def test_the_file_holds_exactly_what_is_seen(acme, sam, remy, cast: Cast, sign_in) -> None:
    nurse = world.job(acme, "Nurse", requisition_id="REQ-1")
    world.job(acme, "Spy", confidential=True)
    world.job(acme, "Cook")
    world.application(nurse, world.candidate(acme))
    world.application(nurse, world.candidate(acme, private=True))
    head, *lines = _file(sign_in(cast.sam))
    assert [line[0] for line in lines] == ["Cook", "Nurse"]
    cells = dict(zip(head, lines[1], strict=True))
    assert cells["Requisition ID"] == "REQ-1"
    assert cells["Active applications"] == "1"
    assert cells["As of"].endswith("Z")
    assert [line[0] for line in _file(sign_in(cast.sam), "q=coo")[1:]] == ["Cook"]
    assert _file(sign_in(cast.zoe))[1:] == []
    assert _file(sign_in(cast.remy))[1:] == []
    assert Entry.objects.filter(verb="jobs.exported").count() == 4


def test_the_record_of_a_file_holds_the_filters_and_not_the_words(
    acme, sam, cast: Cast, sign_in
) -> None:
    world.application(world.job(acme, "Nurse"), world.candidate(acme, "Jolanta Kwiatkowska"))
    assert len(_file(sign_in(cast.sam), "q=Jolanta+Kwiatkowska&waiting=&sort=opened")) == 2
    _file(sign_in(cast.sam), "sort=opened")
    with_words, without = Entry.objects.filter(verb="jobs.exported").order_by("id")
    assert with_words.after == {"query": "sort=opened", "words": "looked for"}
    assert without.after == {"query": "sort=opened"}


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1"])
def test_no_title_becomes_a_formula(acme, sam, cast: Cast, sign_in, title: str) -> None:
    world.job(acme, title)
    assert _file(sign_in(cast.sam))[1][0] == f"'{title}"
    assert plain("Nurse - nights") == "Nurse - nights"


def test_a_long_list_is_written_in_pieces_of_constant_cost(
    acme, sam, cast: Cast, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.jobs.export.AT_ONCE", 3)
    for n in range(8):
        world.job(acme, f"Job {n}")
    assert [line[0] for line in _file(sign_in(cast.sam))[1:]] == [f"Job {n}" for n in range(8)]
