# ruff: noqa: T201, S603, S607  (it talks to its terminal, and starts the portal's own commands)
"""How long a click takes beyond Greenhouse's own answer, and a hundred at once at the rate limit.

    python tests/bench/bench_click.py
    python tests/bench/bench_click.py --database postgres://postgres@127.0.0.1:5432/bench_click \
        --redis redis://127.0.0.1:6379/13

The real parts, each in processes of its own: gunicorn, a django-q2 cluster with two workers, the
sandbox over HTTP. A click is taken from the moment its POST leaves until whoever reads the
database finds it done; Greenhouse's own answers, as the request log has them, are taken off. Each
click is followed by a bare one (tests/bench/floor.py) on the same parts: how long a machine takes
for anything is its own affair, so the two are told as a ratio as well. The database named is made
anew. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
WEB, GREENHOUSE = 8752, 8753
MOST_ADDED = 30.0  # milliseconds, the median
MOST_TIMES = 3.0  # what a bare click takes, the median
WINDOW = 30.0  # seconds of Harvest v3's rate window
PATIENCE = 300.0  # seconds to wait for anything
WARM = 5  # clicks before it counts: a token, templates, connections
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


def main() -> int:
    """Measure one click many times without a rate limit, then a hundred at once within one."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--clicks", type=int, default=60)
    options.add_argument("--latency", type=int, default=0, help="of Greenhouse, milliseconds")
    options.add_argument("--many", type=int, default=100)
    options.add_argument("--limit", type=int, default=75, help="of Greenhouse, per 30 s, in bulk")
    options.add_argument("--database", default="")
    options.add_argument("--redis", default="none")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        database = chosen.database or f"sqlite:///{place}/bench.sqlite3"
        _environment(database, chosen.redis)
        import django

        django.setup()
        with _portal(database, limit=0, latency=chosen.latency) as sam:
            met = _clicks(sam, chosen.clicks)
        with _portal(database, limit=chosen.limit, latency=chosen.latency) as sam:
            _at_once(sam, chosen.many, chosen.limit)
    return 0 if met else 1


def _environment(database: str, redis: str) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.bench.floor_settings",
        "DEBUG": "false",
        "SECRET_KEY": "bench",
        "FIELD_ENCRYPTION_KEY": "ZGV2ZWxvcG1lbnQtb25seS1rZXktbm90LWEtc2VjcmU=",
        "ALLOWED_HOSTS": "127.0.0.1,testserver",
        "INSECURE_COOKIES": "true",
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "QUEUE_NAME": f"bench-{os.getpid()}",
        "GREENHOUSE_API_URL": f"http://127.0.0.1:{GREENHOUSE}",
        "GREENHOUSE_AUTH_URL": f"http://127.0.0.1:{GREENHOUSE}",
        "LOG_LEVEL": "WARNING",
        "WEB_PORT": str(WEB),
        "WEB_WORKERS": "1",
        "BULK_HOLD_SECONDS": "0.01",
    }


# -- the parts -----------------------------------------------------------------------------------
@contextmanager
def _portal(database: str, *, limit: int, latency: int) -> Iterator[httpx.Client]:
    """A portal that is connected to a sandbox; gives back Sam's browser."""
    _emptied(database)
    with ExitStack() as stack:
        manage = [sys.executable, "manage.py"]
        static = stack.enter_context(tempfile.TemporaryDirectory())
        os.environ["STATIC_ROOT"] = static
        subprocess.run([*manage, "migrate", "-v0"], cwd=ROOT, check=True)
        subprocess.run([*manage, "collectstatic", "--noinput", "-v0"], cwd=ROOT, check=True)
        greenhouse = [sys.executable, "-m", "integrations.greenhouse.sandbox"]
        greenhouse += ["--port", str(GREENHOUSE), "--applications", "1500", "--v1-limit", "0"]
        greenhouse += ["--v3-limit", str(limit), "--latency", str(latency)]
        stack.enter_context(_running(greenhouse, f"http://127.0.0.1:{GREENHOUSE}/__stats"))
        stack.enter_context(_running([*manage, "qcluster"]))
        web = [sys.executable, "-m", "gunicorn"]
        stack.enter_context(_running(web, f"http://127.0.0.1:{WEB}/healthz"))
        yield _connected()
        from django.db import connections

        connections.close_all()


def _emptied(database: str) -> None:
    if database.startswith("postgres"):
        base, name = database.rsplit("/", 1)
        for words in (
            f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
            f'CREATE DATABASE "{name}"',
        ):
            subprocess.run(["psql", "-q", f"{base}/postgres", "-c", words], check=True)
    else:
        for file in Path(database.removeprefix("sqlite:///")).parent.glob("bench.sqlite3*"):
            file.unlink()


@contextmanager
def _running(command: list[str], answers: str = "") -> Iterator[None]:
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        if answers:
            _until(lambda: _answers(answers), f"{' '.join(command[-2:])} to answer")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code < 500
    except httpx.TransportError:
        return False


def _until(true: Any, what: str, *, every: float = 0.02) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"Waited {PATIENCE:.0f} s for {what}.")
        time.sleep(every)


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
    _until(live.exists, "the first sync")
    return sam


# -- what is measured ----------------------------------------------------------------------------
def _some(count: int) -> list[Any]:
    from portal.mirror.models import Application

    found = Application.objects.filter(
        status="active", prospect=False, stage__order=0, job__status="open",
        job__confidential=False, candidate__private=False,
    )  # fmt: skip
    return list(found.select_related("job", "stage")[:count])


def _clicks(sam: httpx.Client, count: int) -> bool:
    """Click one after the other, a bare one after each; whether the medians keep to the bars."""
    some = _some(2 * (WARM + count))
    if len(some) < 2 * (WARM + count):
        raise SystemExit(f"There are only {len(some)} applications to click on.")
    told, bare = [], []
    for ours, theirs in zip(some[::2], some[1::2], strict=True):
        told.append(_click(sam, ours))
        bare.append(_bare_click(sam, theirs))
    added = _told(LABELS, told[WARM:])["all"]
    least = _told(BARE, bare[WARM:])["all"]
    times = added / least
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
    _until(lambda: _is_done(one.pk), "a click to be done", every=0.003)
    settled = time.time()
    calls = ApiCall.objects.filter(at__gte=_moment(begun - 0.001))
    _until(lambda: calls.count() >= 2, "the log of the write and of the look after it")
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


def _at_once(sam: httpx.Client, count: int, limit: int) -> None:
    """The same to many at once: how long, against what the rate limit allows at best."""
    from django.db.models import Max

    from portal.applications.models import ApplicationAction
    from portal.connections.models import ApiCall

    time.sleep(WINDOW)  # the first sync's share of the limit is over
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
    _until(lambda: not mine.filter(settled_at=None).exists(), "the batch to end")
    last = mine.exclude(settled_at=None).aggregate(at=Max("settled_at"))["at"]
    took = last.timestamp() - begun
    calls = ApiCall.objects.filter(at__gte=_moment(begun))
    asked, refused = calls.count(), calls.filter(status=429).count()
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
