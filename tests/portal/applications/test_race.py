"""Eight people act on the same applications at the same time, and real worker processes send."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection, connections

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.core.models import Transition
from portal.mirror.models import Application, AtsUser
from tests.cast import Cast
from tests.factories import MembershipFactory
from tests.portal.applications.clicking import click, reject, truth
from tests.workers import Workers

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
    connect, cast: Cast, sandbox: Sandbox, sign_in, settings, capsys
) -> None:
    """On PostgreSQL 50 applications; SQLite, which writes one thing at a time, gets 10."""
    settings.REJECT_HOLD_SECONDS = 0
    connect()
    some = list(
        Application.objects.filter(
            status="active", prospect=False, stage__order=0, job__status="open",
            job__confidential=False, candidate__private=False,
        ).order_by("pk")[: 50 if connection.vendor == "postgresql" else 10]
    )  # fmt: skip
    browsers = [sign_in(person) for person in _eight(cast, sandbox)]
    before = _books(sandbox)
    sandbox.faults.add(regex=r"/(move|reject)$", method="POST", kind="drop_after", times=3)
    with Workers(2) as workers:
        with ThreadPoolExecutor(len(browsers)) as at_once:
            answers = list(at_once.map(lambda b: _clicks_through(b, some), browsers))
        _until_all_is_settled()
        assert workers.alive == 2
    assert {code for codes in answers for code in codes} <= {200, 403, 409}
    since = {key: one for key, one in _books(sandbox).items() if key not in before}
    _everything_adds_up(sandbox, some, Counter(since.values()))
    call_command("audit_check")
    assert "broken" not in capsys.readouterr().out.lower()


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


def _until_all_is_settled() -> None:
    """The workers need as long as they need; ten minutes on the slowest machine."""
    for _ in range(6000):
        if not ApplicationAction.objects.filter(status__in=ApplicationAction.OPEN).exists():
            return
        time.sleep(0.1)


def _everything_adds_up(sandbox: Sandbox, some: list[Application], accepted: Counter[int]) -> None:
    actions = list(ApplicationAction.objects.all())
    assert not [a for a in actions if a.is_open]
    done = Counter(a.application_id for a in actions if a.status == Status.DONE)
    assert sum(done.values()) == sum(accepted.values()) >= len(some)
    for one in some:
        one.refresh_from_db()
        now = truth(sandbox, one)
        assert (one.status, one.stage_remote_id) == (now.status, now.stage_id)
        assert done[one.pk] == accepted[one.remote_id], "done twice, or told untruly"
    told = Counter(
        Transition.objects.filter(
            subject="applications.applicationaction",
            new__in=(Status.DONE, Status.REFUSED, Status.CONFLICT, Status.FAILED, Status.WITHDRAWN),
        ).values_list("subject_id", flat=True)
    )
    assert told == dict.fromkeys((a.pk for a in actions), 1), "not one outcome for each"
    logged = Entry.objects.filter(verb__in=("application.advanced", "application.rejected"))
    assert logged.count() == sum(done.values())


def _books(sandbox: Sandbox) -> dict[tuple[str, int], int]:
    """Each stay in a stage and each rejection in Greenhouse's books, with its application."""
    world = sandbox.world()
    stays = {("stay", one.id): one.application_id for one in world.history}
    return stays | {("rejection", one.id): one.application_id for one in world.rejections}
