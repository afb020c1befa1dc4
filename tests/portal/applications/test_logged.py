"""What was done in Greenhouse stands in the organization's log: who, and in whose name there."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.mirror.models import AtsUser, Source
from tests.cast import Cast
from tests.portal.applications.clicking import HTMX, address, an_application, click, newest


@pytest.fixture
def remy(cast: Cast, connect, sign_in, settings) -> Client:
    settings.REJECT_HOLD_SECONDS = settings.BULK_HOLD_SECONDS = 0
    connect()
    return sign_in(cast.remy)


def _entries() -> list[Entry]:
    return list(Entry.objects.filter(verb__startswith="application.").order_by("id"))


def test_a_click_stands_in_the_log_once_it_is_done(remy: Client, cast: Cast, work, sign_in) -> None:
    application = an_application()
    acting = AtsUser.objects.get(primary_email="remy@acme.example")
    click(remy, "advance", application)
    assert _entries() == []
    work()
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    done, undone = _entries()
    assert (done.by, done.subject_id) == (cast.remy.user, application.pk)
    assert done.words == (
        f"advanced application {application.remote_id} in Greenhouse, in the name of "
        f"{acting.name} (Greenhouse user {acting.remote_id})"
    )
    assert done.before is not None
    assert done.before["stage_name"] == application.stage_name
    assert undone.verb == "application.moved"
    assert "to undo what was done before" in undone.words
    assert acting.name in sign_in(cast.ada).get(reverse("audit:log")).content.decode()


def test_the_log_names_changed_fields_and_no_candidate(remy: Client, cast: Cast, work) -> None:
    application = an_application()
    source = Source.objects.exclude(pk=application.source_id).first()
    click(remy, "update", application, source=source.pk)
    work()
    [entry] = _entries()
    assert entry.after is not None
    assert entry.after["fields"] == ["source"]
    assert application.candidate.last_name not in f"{entry.words} {entry.before} {entry.after}"


def test_the_log_keeps_a_requisition_by_its_id_alone(remy: Client, work) -> None:
    one = an_application()
    click(remy, "advance", one)
    work()
    [entry] = _entries()
    for told in (entry.before, entry.after):
        assert told is not None
        assert told["job"] == one.job.remote_id
        assert one.job.name not in str(told)


def test_what_was_refused_or_taken_back_is_not_in_the_log(
    remy: Client, sandbox: Sandbox, settings, work
) -> None:
    application = an_application()
    sandbox.mutate("move_application", application_id=application.remote_id)
    click(remy, "advance", application)
    work()
    assert newest().status == "conflict"
    assert _entries() == []
