# ruff: noqa: T201  (it talks to its terminal)
"""How long a click takes beyond Greenhouse's own answer, and a hundred at once at the rate limit.

    python -m tests.bench.bench_click
    DATABASE_URL=postgres://root@127.0.0.1:5432/bench REDIS_URL=redis://127.0.0.1:6379/13 \\
        python -m tests.bench.bench_click

The real parts, each in processes of its own: gunicorn, a django-q2 cluster with two workers, the
sandbox over HTTP. On PostgreSQL it creates a database named like the one in DATABASE_URL with
`_click` appended. A click is measured from the moment its POST leaves until whoever reads the
database finds it done; Greenhouse's own answers, as the request log has them, are subtracted. Each
click is followed by a bare one (tests/bench/floor.py) on the same parts: how long a machine takes
for anything is its own affair, so the two are reported as a ratio as well. Exits with 1 where a bar
is missed.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from tests.bench.common import (
    Figures,
    make_parser,
    own_database,
    parse_arguments,
    portal_environment,
    run_process,
    set_up_django,
    wait_until,
)
from tests.launched import free_port

WEB, GREENHOUSE = free_port(), free_port()
# `limit` is Greenhouse's per 30 s for what is done in bulk; 0 is unlimited.
SIZES = {
    "clicks": (60, 2),
    "warm": (5, 1),  # clicks before it counts: a token, templates, connections
    "many": (100, 3),
    "limit": (75, 0),
    "jobs": (20, 10),
    "applications": (1_500, 80),
}
MOST_ADDED = 30.0  # milliseconds, the median
MOST_TIMES = 3.0  # what a bare click takes, the median
WINDOW = 30.0  # seconds of Harvest v3's rate window
LABELS = {
    "answered": "the POST is answered after",
    "all": "done in the mirror, beyond Greenhouse's own answers",
    "recorded": "  of which until it is recorded",
    "taken": "  until a worker has it",
    "done": "  until it is done",
    "row": "and the row read again then takes",
}
BARE = {
    "all": "a bare click: row, queue and requests alone",
    "recorded": "  of which until it is recorded",
    "taken": "  until a worker has it",
    "done": "  until it is done",
}


FIGURES = [
    *(f"click, {key} ms" for key in LABELS),
    *(f"bare click, {key} ms" for key in BARE),
    "click in bare clicks",
    "in bulk, seconds",
]


def main() -> int:
    """Measure one click many times without a rate limit, then a hundred at once within one."""
    parser = make_parser(__doc__, SIZES)
    parser.add_argument("--latency", type=int, default=0, help="of Greenhouse, milliseconds")
    options = parse_arguments(parser, SIZES)
    figures = Figures(FIGURES)
    with _portal(options, limit=0) as sam:
        met = _clicks(sam, options, figures)
        if not options.limit:
            _at_once(sam, options, figures)
    if options.limit:
        with _portal(options, limit=options.limit) as sam:
            time.sleep(WINDOW)  # the first sync's share of the limit is over
            _at_once(sam, options, figures)
    return figures.finish(options, missed=not met)


# -- the parts -----------------------------------------------------------------------------------
@contextmanager
def _portal(options: Namespace, *, limit: int) -> Iterator[httpx.Client]:
    """Run a portal that is connected to a sandbox; yield Sam's browser."""
    url = f"http://127.0.0.1:{GREENHOUSE}"
    sandbox = [sys.executable, "-m", "integrations.greenhouse.sandbox", "--port", str(GREENHOUSE)]
    sandbox += ["--jobs", str(options.jobs), "--applications", str(options.applications)]
    sandbox += ["--v1-limit", "0", "--v3-limit", str(limit), "--latency", str(options.latency)]
    with ExitStack() as stack:
        database = stack.enter_context(own_database("click", options))
        set_up_django(
            portal_environment(database, url)
            | {
                "DJANGO_SETTINGS_MODULE": "tests.bench.floor_settings",
                "WEB_PORT": str(WEB),
                "WEB_WORKERS": "1",
                "BULK_HOLD_SECONDS": "0.01",
            }
        )
        _connect_to(database)
        stack.enter_context(run_process(sandbox, until_answers=f"{url}/__stats"))
        stack.enter_context(run_process([sys.executable, "manage.py", "qcluster"]))
        web = [sys.executable, "-m", "gunicorn"]
        stack.enter_context(run_process(web, until_answers=f"http://127.0.0.1:{WEB}/healthz"))
        yield _connected()
        from django.db import connections

        connections.close_all()


def _connect_to(database: str) -> None:
    """Point this process, whose settings may name an earlier database, at this one."""
    from django.db import connection
    from environ import Env

    connection.close()
    connection.settings_dict["NAME"] = Env.db_url_config(database)["NAME"]


def _browser(user: Any) -> httpx.Client:
    from django.middleware.csrf import _get_new_csrf_string
    from django.test import Client

    signed_in = Client()
    signed_in.force_login(user)
    token = _get_new_csrf_string()
    return httpx.Client(
        base_url=f"http://127.0.0.1:{WEB}",
        cookies={"sessionid": signed_in.cookies["sessionid"].value, "csrftoken": token},
        headers={"X-CSRFToken": token},
        timeout=60,
    )


def _connected() -> httpx.Client:
    from django.urls import reverse

    from integrations.greenhouse.sandbox import ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET
    from portal.connections.models import Connection
    from tests.cast import gather

    cast = gather()
    ada, sam = _browser(cast.ada.user), _browser(cast.sam.user)
    values = {
        "kind": "harvest_oauth",
        "client_id": ACME_V3_CLIENT_ID,
        "client_secret": ACME_V3_CLIENT_SECRET,
    }
    ada.post(reverse("onboarding:credential"), data=values)
    live = Connection.objects.filter(state=Connection.State.LIVE)
    wait_until(live.exists, "the first sync")
    return sam


# -- what is measured ----------------------------------------------------------------------------
def _some(count: int) -> list[Any]:
    from portal.mirror.models import Application

    found = Application.objects.filter(
        status="active", prospect=False, stage__order=0, job__status="open",
        job__confidential=False, candidate__private=False,
    )  # fmt: skip
    return list(found.select_related("job", "stage")[:count])


def _clicks(sam: httpx.Client, options: Namespace, figures: Figures) -> bool:
    """Click one after the other, a bare one after each; whether the medians keep to the bars."""
    needed = 2 * (options.warm + options.clicks)
    some = _some(needed)
    if len(some) < needed:
        raise SystemExit(f"There are only {len(some)} applications to click on.")
    told, bare = [], []
    for ours, theirs in zip(some[::2], some[1::2], strict=True):
        told.append(_click(sam, ours))
        bare.append(_bare_click(sam, theirs))
    ours_ms = _told(LABELS, told[options.warm :])
    bare_ms = _told(BARE, bare[options.warm :])
    added, times = ours_ms["all"], ours_ms["all"] / bare_ms["all"]
    for key, value in ours_ms.items():
        figures.record(f"click, {key} ms", value)
    for key, value in bare_ms.items():
        figures.record(f"bare click, {key} ms", value)
    figures.record("click in bare clicks", times)
    for met, words in (
        (added <= MOST_ADDED, f"{MOST_ADDED:.0f} ms added in the median"),
        (times <= MOST_TIMES, f"{MOST_TIMES:.1f} times a bare click: {times:.2f}"),
    ):
        print(f"  {'met   ' if met else 'MISSED'} {words}")
    return added <= MOST_ADDED and times <= MOST_TIMES


def _told(labels: Mapping[str, str], rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Print median and 95th percentile; gives the medians."""
    medians = {}
    for key, label in labels.items():
        times = sorted(row[key] for row in rows)
        medians[key] = statistics.median(times)
        late = times[int(len(times) * 0.95)]
        print(f"  {label} (median, p95): {medians[key]:.1f} ms, {late:.1f} ms")
    return medians


def _click(sam: httpx.Client, one: Any) -> dict[str, float]:
    """Milliseconds, by the keys of LABELS."""
    from tests.portal.applications.clicking import address, seen

    took = _timed(sam, one, address("advance", one.pk), seen(one))
    row = time.perf_counter()
    sam.get(address("row", one.pk), headers={"HX-Request": "true"}).raise_for_status()
    return took | {"row": 1000 * (time.perf_counter() - row)}


def _bare_click(sam: httpx.Client, one: Any) -> dict[str, float]:
    from portal.mirror.models import AtsUser

    acting = AtsUser.objects.get(primary_email="sam@acme.example").remote_id
    values = {"acting": acting, "stage": one.stage_remote_id, "entry": one.stage_entry_id}
    return _timed(sam, one, f"/floor/{one.pk}/", values)


def _timed(sam: httpx.Client, one: Any, address: str, values: dict[str, Any]) -> dict[str, float]:
    from django.db.models import Sum

    from portal.applications.models import ApplicationAction
    from portal.connections.models import ApiCall

    begun = time.time()
    answer = sam.post(address, data=values, headers={"HX-Request": "true"})
    answered = time.time()
    answer.raise_for_status()
    wait_until(lambda: _is_done(one.pk), "a click to be done", every=0.003)
    settled = time.time()
    calls = ApiCall.objects.filter(at__gte=_moment(begun - 0.001))
    wait_until(lambda: calls.count() >= 2, "the log of the write and of the look after it")
    theirs = calls.aggregate(all=Sum("milliseconds"))["all"]
    moments = ApplicationAction.objects.values_list("queued_at", "sent_at").get(application=one)
    queued, sent = (moment.timestamp() for moment in moments)
    parts = {
        "recorded": queued - begun,
        "taken": sent - queued,
        "done": settled - sent - theirs / 1000,
    }
    parts |= {"all": sum(parts.values()), "answered": answered - begun}
    return {key: 1000 * seconds for key, seconds in parts.items()}


def _is_done(application_id: int) -> bool:
    """Whether everybody can read it by now. In plain SQL: who is measured has the same cores."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM applications_applicationaction"
            " WHERE application_id = %s AND status = 'done'",
            [application_id],
        )
        return cursor.fetchone() is not None


def _moment(seconds: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def _at_once(sam: httpx.Client, options: Namespace, figures: Figures) -> None:
    """The same to many at once: how long, against what the rate limit allows at best."""
    from django.db.models import Max

    from portal.applications.models import ApplicationAction
    from portal.connections.models import ApiCall

    count, limit = options.many, options.limit
    by_job: dict[int, list[Any]] = {}
    for one in _some(2000):
        by_job.setdefault(one.job_id, []).append(one)
    begun, made = time.time(), 0
    for job, some in by_job.items():
        part = some[: count - made]
        if part:
            made += len(part)
            _start(sam, job, part)
    mine = ApplicationAction.objects.filter(batch__isnull=False)
    wait_until(lambda: not mine.filter(settled_at=None).exists(), "the batch to end")
    last = mine.exclude(settled_at=None).aggregate(at=Max("settled_at"))["at"]
    took = last.timestamp() - begun
    calls = ApiCall.objects.filter(at__gte=_moment(begun))
    asked, refused = calls.count(), calls.filter(status=429).count()
    figures.record("in bulk, seconds", took)
    least = WINDOW * max(0, (asked - 1) // limit) if limit else 0.0
    print(
        f"  {made} in bulk, {mine.filter(status='done').count()} done: {took:.1f} s with "
        f"{asked} requests at {limit} per {WINDOW:.0f} s (at best {least:.0f} s), "
        f"{refused} of them a 429"
    )


def _start(sam: httpx.Client, job: int, part: list[Any]) -> None:
    from django.urls import reverse

    from portal.applications.forms.bulk import BatchForm

    address = reverse("applications:bulk", args=[job])
    page = sam.get(address, params={"kind": "advance", "pick": [one.pk for one in part]})
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    if key is None:
        raise SystemExit(f"No confirmation page: {page.status_code}")
    values = {"kind": "advance", "key": key[1], "chosen": BatchForm.packed(part)}
    sam.post(address, data=values)


if __name__ == "__main__":
    sys.exit(main())
