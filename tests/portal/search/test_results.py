"""Search across the portal finds what one may see, and says nothing about the rest."""

from __future__ import annotations

import re

import pytest
from django.core.cache import cache
from django.utils import timezone

from portal.accounts.models import Membership
from portal.connections.models import Connection
from portal.jobs.models import SavedView
from portal.sync.models import AtsUser, Job, SyncRun
from tests.factories import ConnectionFactory
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data

URL = "/search/"
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def personas(db: None) -> Personas:
    return create_personas()


@pytest.fixture
def acme(personas: Personas) -> Connection:
    made = ConnectionFactory(organization=personas.ada.organization, state="live")
    now = timezone.now()
    SyncRun.objects.create(connection=made, status="done", started_at=now, finished_at=now)
    return made


@pytest.fixture
def remy(acme: Connection) -> AtsUser:
    return synced_data.create_user(acme, "remy@acme.example", name="Remy Laurent")


@pytest.fixture
def jobs(acme: Connection, remy: AtsUser) -> dict[str, Job]:
    """Sam sees all but the confidential Spy; Remy is granted the Cook only."""
    synced_data.create_user(acme, "sam@acme.example", name="Sam Okafor", site_admin=True)
    made = {
        "Cook": synced_data.create_job(acme, "Cook", requisition_id="REQ-7"),
        "Chef": synced_data.create_job(acme, "Chef de Crêpe"),
        "Baker": synced_data.create_job(acme, "Baker", status="closed"),
        "Spy": synced_data.create_job(acme, "Spy", confidential=True),
    }
    for title, name in (
        ("Cook", "Nora Naylor"),
        ("Chef", "Åsa Öberg"),
        ("Baker", "Bo Baker"),
        ("Spy", "Sid Secret"),
    ):
        synced_data.create_application(made[title], synced_data.create_candidate(acme, name))
    synced_data.create_application(
        made["Cook"], synced_data.create_candidate(acme, "Pia Private", private=True)
    )
    synced_data.create_grant(remy, made["Cook"])
    return made


def _find(client, query: str) -> list[str]:
    """The labels of the results, as the palette and the page show them."""
    response = client.get(URL, {"q": query})
    shown = [result.label for group in response.context["groups"] for result in group.results]
    part = client.get(URL, {"q": query}, **HTMX).content.decode()
    assert re.findall(r'class="palette-name">(?:<bdi>)?([^<]+)<', part) == shown
    page = re.findall(r'row-title"><a href="[^"]+">(?:<bdi>)?([^<]+)<', response.content.decode())
    assert page == shown
    return shown


@pytest.mark.parametrize(
    ("query", "for_sam", "for_remy"),
    [
        ("cook", ["Cook"], ["Cook"]),
        ("crepe chef", ["Chef de Crêpe"], []),
        ("req-7", ["Cook"], ["Cook"]),
        ("baker", ["Baker"], []),  # closed, so its applications have no page
        ("naylor nora", ["Nora Naylor"], ["Nora Naylor"]),
        ("asa oberg", ["Åsa Öberg"], []),
        ("oeberg", ["Åsa Öberg"], []),
        ("spy", [], []),
        ("secret", [], []),
        ("private", [], []),
        ("' OR 1=1", [], []),
    ],
)
def test_finds_only_what_one_may_see(
    jobs, personas: Personas, sign_in, query: str, for_sam, for_remy
) -> None:
    assert _find(sign_in(personas.sam), query) == for_sam
    assert _find(sign_in(personas.remy), query) == for_remy


@pytest.mark.parametrize("person", ["uma", "dana", "ivy", "zoe"])
@pytest.mark.parametrize("query", ["cook", "nora", "REQ-7"])
def test_stranger_gets_answer_of_made_up_query(
    jobs, personas: Personas, sign_in, person: str, query: str
) -> None:
    client = sign_in(getattr(personas, person))
    made_up = "xqzvw"
    found, nothing = (client.get(URL, {"q": q}, **HTMX).text for q in (query, made_up))
    assert found.replace(query, made_up) == nothing


def test_results_lead_to_pages(jobs, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    for query in ("cook", "baker", "nora"):
        results = client.get(URL, {"q": query}).context["groups"][0].results
        assert client.get(results[0].url).status_code == 200


def test_views_and_pages_by_role(jobs, personas: Personas, sign_in) -> None:
    _save_view(personas.remy, "My kitchen")
    _save_view(personas.sam, "Sam's kitchen")
    remy = sign_in(personas.remy)
    assert _find(remy, "kitchen") == ["My kitchen"]
    assert _find(remy, "members") == []
    assert _find(sign_in(personas.ada), "members") == ["Members"]
    assert "My activity" in _find(remy, "")


def test_every_page_result_opens(jobs, personas: Personas, sign_in) -> None:
    for person in (personas.remy, personas.ada):
        client = sign_in(person)
        groups = client.get(URL).context["groups"]
        urls = [result.url for group in groups for result in group.results]
        assert len(urls) > 4
        assert {client.get(url, follow=True).status_code for url in urls} == {200}


def _save_view(member: Membership, name: str) -> None:
    SavedView.objects.create(membership=member, name=name, query="mine=1")


def test_no_names_without_right_to_candidates(jobs, acme, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    synced_data.record_check(acme, missing=(synced_data.CANDIDATES,))
    assert _find(client, "naylor") == []


def test_query_count_is_constant(
    jobs, acme, personas: Personas, sign_in, django_assert_max_num_queries
) -> None:
    client = sign_in(personas.sam)
    client.get(URL, {"q": "nora"})
    with django_assert_max_num_queries(14) as few:
        client.get(URL, {"q": "nora"}, **HTMX)
    count = len(few)
    for n in range(20):
        synced_data.create_application(
            jobs["Cook"], synced_data.create_candidate(acme, f"Nora Number{n}")
        )
    with django_assert_max_num_queries(count):
        response = client.get(URL, {"q": "nora"}, **HTMX)
    assert response.text.count('role="option"') == 6
    assert not re.search(r"\b2[01]\b", re.sub(r"<[^>]+>", "", response.text))


def test_too_many_searches_have_to_wait(jobs, personas: Personas, sign_in, settings) -> None:
    settings.GET_RATE_LIMITS = {"search:results": (3, 60)}
    cache.clear()
    client = sign_in(personas.sam)
    statuses = [client.get(URL, {"q": "cook"}).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert sign_in(personas.remy).get(URL).status_code == 200


def test_page_without_scripts(jobs, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    home = client.get("/requisitions/").text
    assert re.search(r'<a class="search-link[^"]*" href="/search/"', home)
    empty = client.get(URL, {"q": "xqzvw"}).text
    assert "Nothing that you can see matches" in empty
    assert 'href="/requisitions/access/"' in empty
    assert client.get(URL, {"q": "\x00" * 5}).status_code == 200
