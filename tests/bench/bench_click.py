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
from tests.demo_process import find_free_port

WEB, GREENHOUSE = find_free_port(), find_free_port()
# `limit` is Greenhouse's per 30 s for what is done in bulk; 0 is unlimited.
SIZES = {
    "clicks": (60, 2),
    "warm": (5, 1),  # clicks before it counts: a token, templates, connections
    "many": (100, 3),
    "limit": (75, 0),
    "jobs": (20, 10),
    "applications": (1_500, 80),
}
MOST_TIMES = 1.6  # what a bare click takes, the median
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
    with _run_portal(options, limit=0) as sam:
        met = _measure_clicks(sam, options, figures)
        if not options.limit:
            _measure_batch(sam, options, figures)
    if options.limit:
        with _run_portal(options, limit=options.limit) as sam:
            time.sleep(WINDOW)  # the first sync's share of the limit is over
            _measure_batch(sam, options, figures)
    return figures.finish(options, missed=not met)


# -- the parts -----------------------------------------------------------------------------------
@contextmanager
def _run_portal(options: Namespace, *, limit: int) -> Iterator[httpx.Client]:
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
                "BATCH_UNDO_SECONDS": "0.01",
            }
        )
        _use_database(database)
        stack.enter_context(run_process(sandbox, until_answers=f"{url}/__stats"))
        stack.enter_context(run_process([sys.executable, "manage.py", "qcluster"]))
        web = [sys.executable, "-m", "gunicorn"]
        stack.enter_context(run_process(web, until_answers=f"http://127.0.0.1:{WEB}/healthz"))
        yield _connect_acme()
        from django.db import connections

        connections.close_all()


def _use_database(database: str) -> None:
    """Point this process, whose settings may name an earlier database, at this one."""
    from django.db import connection
    from environ import Env

    connection.close()
    connection.settings_dict["NAME"] = Env.db_url_config(database)["NAME"]


def _open_browser(user: Any) -> httpx.Client:
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


def _connect_acme() -> httpx.Client:
    from django.urls import reverse

    from integrations.greenhouse.sandbox import ACME_V3_CLIENT_ID, ACME_V3_CLIENT_SECRET
    from portal.connections.models import Connection
    from tests.personas import create_personas

    personas = create_personas()
    ada, sam = _open_browser(personas.ada.user), _open_browser(personas.sam.user)
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
def _list_applications(count: int) -> list[Any]:
    from portal.sync.models import Application

    applications = Application.objects.filter(
        status="active", prospect=False, stage__order=0, job__status="open",
        job__confidential=False, candidate__private=False,
    )  # fmt: skip
    return list(applications.select_related("job", "stage")[:count])


def _measure_clicks(sam: httpx.Client, options: Namespace, figures: Figures) -> bool:
    """Click one after the other, a bare one after each; whether the medians keep to the bars."""
    needed = 2 * (options.warm + options.clicks)
    applications = _list_applications(needed)
    if len(applications) < needed:
        raise SystemExit(f"There are only {len(applications)} applications to click on.")
    portal_rows, bare_rows = [], []
    for clicked, bare_clicked in zip(applications[::2], applications[1::2], strict=True):
        portal_rows.append(_measure_click(sam, clicked))
        bare_rows.append(_measure_bare_click(sam, bare_clicked))
    ours_ms = _print_timings(LABELS, portal_rows[options.warm :])
    bare_ms = _print_timings(BARE, bare_rows[options.warm :])
    times = ours_ms["all"] / bare_ms["all"]
    for key, value in ours_ms.items():
        figures.record(f"click, {key} ms", value)
    for key, value in bare_ms.items():
        figures.record(f"bare click, {key} ms", value)
    figures.record("click in bare clicks", times)
    has_met = times <= MOST_TIMES
    verdict = "met   " if has_met else "MISSED"
    print(f"  {verdict} {times:.2f} times a bare click (bar {MOST_TIMES})")
    return has_met


def _print_timings(
    labels: Mapping[str, str], rows: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Print median and 95th percentile; gives the medians."""
    medians = {}
    for key, label in labels.items():
        times = sorted(row[key] for row in rows)
        medians[key] = statistics.median(times)
        late = times[int(len(times) * 0.95)]
        print(f"  {label} (median, p95): {medians[key]:.1f} ms, {late:.1f} ms")
    return medians


def _measure_click(sam: httpx.Client, application: Any) -> dict[str, float]:
    """Milliseconds, by the keys of LABELS."""
    from tests.portal.applications.action_helpers import build_action_url, build_form_values

    timings = _time_action(
        sam,
        application,
        build_action_url("advance", application.pk),
        build_form_values(application),
    )
    row_started = time.perf_counter()
    sam.get(
        build_action_url("row", application.pk), headers={"HX-Request": "true"}
    ).raise_for_status()
    return timings | {"row": 1000 * (time.perf_counter() - row_started)}


def _measure_bare_click(sam: httpx.Client, application: Any) -> dict[str, float]:
    from portal.sync.models import AtsUser

    acting_user_id = AtsUser.objects.get(primary_email="sam@acme.example").remote_id
    values = {
        "acting": acting_user_id,
        "stage": application.stage_remote_id,
        "entry": application.stage_entry_id,
    }
    return _time_action(sam, application, f"/floor/{application.pk}/", values)


def _time_action(
    sam: httpx.Client, application: Any, address: str, values: dict[str, Any]
) -> dict[str, float]:
    from django.db.models import Sum

    from portal.applications.models import ApplicationAction
    from portal.connections.models import ApiCall

    begun = time.time()
    response = sam.post(address, data=values, headers={"HX-Request": "true"})
    answered = time.time()
    response.raise_for_status()
    wait_until(lambda: _is_done(application.pk), "a click to be done", every=0.003)
    settled = time.time()
    calls = ApiCall.objects.filter(at__gte=_to_datetime(begun - 0.001))
    wait_until(lambda: calls.count() >= 2, "the log of the write and of the look after it")
    greenhouse_ms = calls.aggregate(all=Sum("milliseconds"))["all"]
    moments = ApplicationAction.objects.values_list("queued_at", "sent_at").get(
        application=application
    )
    queued, sent = (moment.timestamp() for moment in moments)
    parts = {
        "recorded": queued - begun,
        "taken": sent - queued,
        "done": settled - sent - greenhouse_ms / 1000,
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


def _to_datetime(seconds: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def _measure_batch(sam: httpx.Client, options: Namespace, figures: Figures) -> None:
    """The same to many at once: how long, against what the rate limit allows at best."""
    from django.db.models import Max

    from portal.applications.models import ApplicationAction
    from portal.connections.models import ApiCall

    count, limit = options.many, options.limit
    by_job: dict[int, list[Any]] = {}
    for application in _list_applications(2000):
        by_job.setdefault(application.job_id, []).append(application)
    begun, sent_count = time.time(), 0
    for job, applications in by_job.items():
        part = applications[: count - sent_count]
        if part:
            sent_count += len(part)
            _start_batch(sam, job, part)
    actions = ApplicationAction.objects.filter(batch__isnull=False)
    wait_until(lambda: not actions.filter(settled_at=None).exists(), "the batch to end")
    last = actions.exclude(settled_at=None).aggregate(at=Max("settled_at"))["at"]
    took = last.timestamp() - begun
    calls = ApiCall.objects.filter(at__gte=_to_datetime(begun))
    request_count, refused = calls.count(), calls.filter(status=429).count()
    figures.record("in bulk, seconds", took)
    least = WINDOW * max(0, (request_count - 1) // limit) if limit else 0.0
    print(
        f"  {sent_count} in bulk, {actions.filter(status='done').count()} done: {took:.1f} s with "
        f"{request_count} requests at {limit} per {WINDOW:.0f} s (at best {least:.0f} s), "
        f"{refused} of them a 429"
    )


def _start_batch(sam: httpx.Client, job: int, part: list[Any]) -> None:
    from django.urls import reverse

    from portal.applications.forms.batch import BatchForm

    address = reverse("applications:start_batch", args=[job])
    page = sam.get(
        address, params={"kind": "advance", "selected": [application.pk for application in part]}
    )
    key = re.search(r'name="key" value="([^"]+)"', page.text)
    if key is None:
        raise SystemExit(f"No confirmation page: {page.status_code}")
    values = {"kind": "advance", "key": key[1], "selection": BatchForm.pack_selection(part)}
    sam.post(address, data=values)


if __name__ == "__main__":
    sys.exit(main())
