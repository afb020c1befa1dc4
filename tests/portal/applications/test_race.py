"""Eight people act on the same applications at the same time."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import close_old_connections, connection, connections

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.applications import outbox
from portal.applications.models import ApplicationAction
from portal.mirror.models import Application, AtsUser
from tests.cast import Cast
from tests.factories import MembershipFactory
from tests.portal.applications.clicking import click, reject, truth

Status = ApplicationAction.Status


def _eight(cast: Cast, sandbox: Sandbox) -> list[Membership]:
    """All Site Admins, there and in the mirror."""
    more = [
        MembershipFactory(user__email=f"{name}@acme.example", organization=cast.ada.organization)
        for name in ("basil", "m.moss")
    ]
    people = [cast.ada, cast.sam, cast.remy, cast.vic, cast.ivy, cast.dana, *more]
    sandbox.mutate("reactivate_user", user="dana")
    for person in people:
        sandbox.mutate("set_site_admin", user=person.user.email.split("@")[0])
        AtsUser.objects.filter(primary_email=person.user.email).update(
            site_admin=True, deactivated=False
        )
    return people


@pytest.mark.django_db(transaction=True)
def test_each_action_has_one_outcome_and_the_mirror_equals_greenhouse(
    connect, cast: Cast, sandbox: Sandbox, sign_in, settings
) -> None:
    settings.REJECT_HOLD_SECONDS = 0
    connect()
    on_postgres = connection.vendor == "postgresql"
    some = list(
        Application.objects.filter(
            status="active", prospect=False, stage__order=0, job__status="open",
            job__confidential=False, candidate__private=False,
        ).order_by("pk")[: 50 if on_postgres else 8]
    )  # fmt: skip
    browsers = [sign_in(person) for person in _eight(cast, sandbox)]
    before = _books(sandbox)
    sandbox.faults.add(regex=r"/(move|reject)$", method="POST", kind="drop_after", times=3)
    ended = threading.Event()
    workers = [
        threading.Thread(target=_works, args=(ended,), daemon=True)
        for _ in range(3 if on_postgres else 1)
    ]
    for one in workers:
        one.start()
    with ThreadPoolExecutor(len(browsers)) as at_once:
        answers = list(at_once.map(lambda b: _clicks_through(b, some), browsers))
    for _ in range(200):
        if not ApplicationAction.objects.filter(status__in=ApplicationAction.OPEN).exists():
            break
        ended.wait(0.1)
    ended.set()
    for one in workers:
        one.join(30)
    assert {code for codes in answers for code in codes} <= {200, 403, 409}
    since = {key: one for key, one in _books(sandbox).items() if key not in before}
    _everything_adds_up(sandbox, some, Counter(since.values()))


def _clicks_through(browser, some: list[Application]) -> list[int]:
    codes = []
    mine = random.sample(some, len(some))
    try:
        for one in mine:
            act = reject if random.random() < 0.3 else lambda b, a: click(b, "advance", a)
            codes.append(act(browser, one).status_code)
    finally:
        connections.close_all()
    return codes


def _works(ended: threading.Event) -> None:
    """A worker: takes what is queued, looks at what is due."""
    from tests.queue import work

    try:
        while not ended.is_set():
            outbox.release()
            work()
            close_old_connections()
            ended.wait(0.02)
    finally:
        connections.close_all()


def _everything_adds_up(sandbox: Sandbox, some: list[Application], accepted: Counter[int]) -> None:
    actions = list(ApplicationAction.objects.all())
    assert not [a for a in actions if a.is_open]
    done = Counter(a.application_id for a in actions if a.status == Status.DONE)
    assert sum(done.values()) == sum(accepted.values())
    for one in some:
        one.refresh_from_db()
        now = truth(sandbox, one)
        assert (one.status, one.stage_remote_id) == (now.status, now.stage_id)
        assert done[one.pk] == accepted[one.remote_id], "done twice, or told untruly"


def _books(sandbox: Sandbox) -> dict[tuple[str, int], int]:
    """Each stay in a stage and each rejection in Greenhouse's books, with its application."""
    world = sandbox.world()
    stays = {("stay", one.id): one.application_id for one in world.history}
    return stays | {("rejection", one.id): one.application_id for one in world.rejections}
