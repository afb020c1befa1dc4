"""Saved views that are shared: read-only for others, copied, and gone once they are unshared."""

from __future__ import annotations

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.audit.models import Entry
from portal.jobs.models import SavedView
from portal.jobs.saved_views import MAX_SAVED_VIEWS, SavedViews
from portal.sync.models import Job
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data

LIST = "/requisitions/"


@pytest.fixture
def personas(db: None) -> Personas:
    """Rolled back after each test; nothing here waits for a commit."""
    return create_personas()


@pytest.fixture
def job(acme, remy) -> Job:
    """Remy may see it; Sam sees all."""
    job = synced_data.create_job(acme, "Nurse")
    synced_data.create_grant(remy, job)
    return job


@pytest.fixture
def sam_client(sam, personas: Personas, sign_in) -> Client:
    return sign_in(personas.sam)


@pytest.fixture
def remy_client(remy, personas: Personas, sign_in) -> Client:
    return sign_in(personas.remy)


def _update(client: Client, view: SavedView, action: str):
    return client.post(
        reverse("jobs:update_saved_view", args=[view.pk]), {"action": action}, follow=True
    )


def _copy(client: Client, view: SavedView):
    return client.post(reverse("jobs:copy_view", args=[view.pk]), follow=True)


def _create_view(personas: Personas, query: str = "status=closed", **values) -> SavedView:
    return SavedView.objects.create(membership=personas.sam, name="Old ones", query=query, **values)


def _read(client: Client, url: str = LIST) -> str:
    page: str = client.get(f"{url}?status=open").content.decode()
    return page


def test_shared_view_names_who_shared_it(job, sam_client, remy_client, personas: Personas) -> None:
    view = _create_view(personas)
    assert "Old ones" not in _read(remy_client)
    _update(sam_client, view, "share")
    page = _read(remy_client)
    assert f"Shared by {personas.sam.user}" in page
    assert "?status=closed" in page
    change_url = reverse("jobs:update_saved_view", args=[view.pk])
    assert f'action="{change_url}"' not in page  # read-only
    assert "Stop sharing" in _read(sam_client)
    _update(sam_client, view, "unshare")
    assert "Old ones" not in _read(remy_client)
    verbs = list(Entry.objects.order_by("id").values_list("verb", "actor_label"))
    assert [verb for verb, _ in verbs][-2:] == ["view.shared", "view.unshared"]
    assert not any("Old ones" in str(row) for row in Entry.objects.values_list())


def test_others_cannot_change_shared_view(job, sam_client, remy_client, personas: Personas) -> None:
    view = _create_view(personas)
    _update(sam_client, view, "share")
    for action in ("delete", "unshare", "set_default"):
        assert _update(remy_client, view, action).status_code == 404
    view.refresh_from_db()
    assert (view.is_shared, view.is_default) == (True, False)


def test_copy_is_ones_own(job, sam_client, remy_client, personas: Personas) -> None:
    view = _create_view(personas)
    assert _copy(remy_client, view).status_code == 404  # not shared
    _update(sam_client, view, "share")
    SavedView.objects.create(membership=personas.remy, name="Old ones", query="mine=1")
    _copy(remy_client, view)
    own = SavedView.objects.filter(membership=personas.remy).order_by("id")
    assert [(v.name, v.query, v.is_shared) for v in own] == [
        ("Old ones", "mine=1", False),
        ("Old ones (2)", "status=closed", False),
    ]
    view.delete()
    assert "Old ones (2)" in _read(remy_client)


def test_copies_are_limited(job, sam_client, remy_client, personas: Personas) -> None:
    view = _create_view(personas)
    _update(sam_client, view, "share")
    SavedView.objects.bulk_create(
        SavedView(membership=personas.remy, name=str(n), query="mine=1")
        for n in range(MAX_SAVED_VIEWS)
    )
    assert "You can save up to" in _copy(remy_client, view).content.decode()
    assert SavedView.objects.filter(membership=personas.remy).count() == MAX_SAVED_VIEWS


def test_search_terms_are_not_shared(job, sam_client, remy_client, personas: Personas) -> None:
    """They may be the title of a requisition that others may not see."""
    view = _create_view(personas, "q=Secret+project")
    page = _update(sam_client, view, "share").content.decode()
    assert "which may name a requisition" in page
    view.refresh_from_db()
    assert not view.is_shared
    _update(
        sam_client,
        SavedView.objects.create(membership=personas.sam, name="Mine", query="mine=1"),
        "share",
    )
    synced_data.create_job(job.connection, "Secret project")
    sam_client.post(reverse("jobs:save_view"), {"name": "Mine", "query": "q=Secret"})
    assert "Secret" not in _read(remy_client)


def test_view_of_hidden_requisition_is_hidden(
    job, acme, sam_client, remy_client, personas: Personas
) -> None:
    hidden = synced_data.create_job(acme, "Hidden")
    view = _create_view(personas, "status=rejected", job=hidden)
    _update(sam_client, view, "share")
    assert _copy(remy_client, view).status_code == 404
    assert "Old ones" not in _read(remy_client)
    visible_view = _create_view(personas, "status=rejected", job=job)
    _update(sam_client, visible_view, "share")
    url = reverse("applications:job_detail", args=[job.pk])
    assert "Shared by" in _read(remy_client, url)
    _copy(remy_client, visible_view)
    assert SavedView.objects.get(membership=personas.remy).job == job


def test_other_organizations_see_nothing(job, sam_client, personas: Personas, sign_in) -> None:
    view = _create_view(personas)
    _update(sam_client, view, "share")
    zoe = sign_in(personas.zoe)
    assert "Old ones" not in zoe.get(LIST).content.decode()
    assert _copy(zoe, view).status_code == 404


def test_shared_views_need_constant_queries(
    job, sam_client, remy_client, personas: Personas
) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(database) as queries:
            _read(remy_client)
        return len(queries)

    _update(sam_client, _create_view(personas), "share")
    count_queries()
    few = count_queries()
    for n in range(5):
        view = SavedView.objects.create(membership=personas.ada, name=f"V{n}", query="mine=1")
        SavedView.objects.filter(pk=view.pk).update(shared_at=view.membership.created_at)
    assert count_queries() == few


def test_view_that_got_search_terms_is_not_shared(
    personas: Personas, sam_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved anew with search terms while the request to share it was on its way."""
    view = _create_view(personas)
    share = SavedViews.share_view

    def share_late(saved_views: SavedViews, shared: SavedView) -> None:
        SavedView.objects.filter(pk=view.pk).update(query="q=Secret")
        share(saved_views, shared)

    monkeypatch.setattr(SavedViews, "share_view", share_late)
    page = _update(sam_client, view, "share").content.decode()
    assert "This view was changed" in page
    assert not SavedView.objects.get().is_shared
