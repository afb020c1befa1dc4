"""What pages weigh: what a browser fetches at its first visit, and the longest page itself.

Sizes are the same on every machine, so they are bars here; times are measured in tests/bench.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import brotli
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.utils import timezone

from portal.sync.models import Application, Candidate, Job
from portal.web.static_storage import minify_css
from tests.personas import Personas
from tests.portal.applications.action_helpers import list_applications

FIRST_VISIT = 40_000  # bytes as they are sent, compressed; without fonts
STYLE_SHEETS, COMPRESSED_STYLE_SHEETS = 60_000, 15_000
LONGEST_PAGE = 90_000
FIRST_NAMES = ("Ada", "Benedikt", "Chloe", "Dinesh", "Elena", "Friederike", "Greta")
LAST_NAMES = ("Andersson", "Bellweather", "Castillo", "Drummond", "Montgomery-Eberhardt")
TITLES = ("Senior Nurse Practitioner", "Marketing Manager, Nordics", "Backend Engineer")
COMPANIES = ("Northwind Health", "Contoso Logistics GmbH")


@pytest.fixture
def sam(connect, personas: Personas, sign_in) -> Client:
    connect()
    return sign_in(personas.sam)


@pytest.fixture
def busy_job(sam: Client) -> Job:
    """A requisition with more applications than a page shows, none of them decided."""
    job = Job.objects.get(pk=list_applications("sam")[0].job_id)
    stages = list(job.stages.filter(gone_at=None))
    now = timezone.now()
    candidates = Candidate.objects.bulk_create(
        Candidate(
            connection_id=job.connection_id,
            remote_id=5_000_000 + n,
            first_name=FIRST_NAMES[n % len(FIRST_NAMES)],
            last_name=LAST_NAMES[n % len(LAST_NAMES)],
            title=TITLES[n % len(TITLES)],
            company=COMPANIES[n % len(COMPANIES)],
        )
        for n in range(60)
    )
    Application.objects.bulk_create(
        Application(
            connection_id=job.connection_id,
            remote_id=6_000_000 + n,
            job=job,
            candidate=candidate,
            stage=stages[n % 2],
            stage_remote_id=stages[n % 2].remote_id,
            stage_entry_id=70_000_000_000 + n,
            stage_name=stages[n % 2].name,
            status="active",
            applied_at=now - timedelta(days=n),
            last_activity_at=now - timedelta(days=n / 2),
            entered_stage_at=now - timedelta(days=n % 60),
            source_name="LinkedIn (Jobs)",
        )
        for n, candidate in enumerate(candidates)
    )
    return job


def _read_static_files(html: str) -> dict[str, bytes]:
    """What the page makes a browser fetch, as it is served, without fonts."""
    files = {}
    for name in set(re.findall(r'(?:href|src)="/static/([^"#]+)', html)):
        if name.endswith(".woff2"):
            continue
        content = Path(str(finders.find(name))).read_bytes()
        if name.startswith("css/"):
            content = minify_css(content.decode()).encode()
        files[name] = content
    return files


def _measure_compressed(files: dict[str, bytes]) -> int:
    return sum(len(brotli.compress(content)) for content in files.values())


def _check_style_sheets(files: dict[str, bytes]) -> None:
    sheets = {name: content for name, content in files.items() if name.endswith(".css")}
    assert {"css/base.css", "css/portal.css"} <= sheets.keys()
    assert sum(map(len, sheets.values())) <= STYLE_SHEETS
    assert _measure_compressed(sheets) <= COMPRESSED_STYLE_SHEETS


def test_first_visit_stays_light(db: None, client: Client) -> None:
    files = _read_static_files(client.get("/sign-in/").content.decode())
    assert _measure_compressed(files) <= FIRST_VISIT
    _check_style_sheets(files)
    assert not {"js/search.js", "js/session_end.js"} & files.keys()  # nobody is signed in


def test_list_of_requisitions_stays_light(sam: Client) -> None:
    files = _read_static_files(sam.get("/requisitions/").content.decode())
    assert _measure_compressed(files) <= FIRST_VISIT


def test_page_of_50_applications_stays_light(sam: Client, busy_job: Job) -> None:
    page = sam.get(f"/requisitions/{busy_job.pk}/")
    assert len(page.context["rows"]) == 50
    assert len(page.content) <= LONGEST_PAGE
    _check_style_sheets(_read_static_files(page.content.decode()))


def test_minified_style_sheet_keeps_strings_and_selectors() -> None:
    sheet = """
    /* It's gone: a { } */
    a :hover, b > c { margin: 0.5rem 10.0px -0.25em; content: "; a, b: 0.5 /"; }
    @media (min-width: 48rem) { .x::after { width: calc(1rem + 0.5px); color: RED !important; } }
    """
    assert minify_css(sheet) == (
        'a :hover,b>c{margin:.5rem 10.0px -0.25em;content:"; a, b: 0.5 /"}'
        "@media (min-width:48rem){.x::after{width:calc(1rem + .5px);color:RED !important}}"
    )
