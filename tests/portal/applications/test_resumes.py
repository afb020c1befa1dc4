"""Résumés in place: every kind is shown, hostile files are not, nothing is stored."""

from __future__ import annotations

import base64
import io
import re

import pytest
from django.db import connection
from django.test import Client
from django.utils.html import escape
from PIL import Image

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.dataset.records import Attachment
from integrations.greenhouse.sandbox.dataset.sample_files import build_pdf, build_sample_file
from portal.applications.models import ReviewPreferences
from portal.applications.resumes.cache import LIFETIME_SECONDS, get_memory_store
from portal.connections.models import ApiCall
from tests.api_generations import any_generation
from tests.integrations.documents.hostile_files import HOSTILE_FILES, HTML
from tests.personas import Personas
from tests.portal.applications.action_helpers import HTMX, build_action_url, list_applications
from tests.portal.applications.resume_helpers import (
    find_with_resume,
    replace_resume,
)

REFUSED = "Couldn't show this file."
SLOW_CASES = {"endless_pdf", "slow_pdf", "pdf_bomb", "docx_bomb", "lying_docx_bomb", "many_pages"}


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str, settings) -> Client:
    connect(kind)
    settings.WEB_DEADLINE_SECONDS = 30.0  # how busy the machine is decides nothing
    return sign_in(personas.remy)


def _get_resume(client: Client, pk: int, **headers: str) -> str:
    page: str = client.get(build_action_url("resume", pk), **headers).content.decode()
    return page


@any_generation
@pytest.mark.parametrize("extension", ["pdf", "docx", "rtf", "txt"])
def test_text_and_pages_are_shown(remy: Client, sandbox: Sandbox, extension: str) -> None:
    application = find_with_resume(sandbox, f"cv.{extension}")
    page = _get_resume(remy, application.pk, **HTMX)
    assert "Interviewed 60 candidates" in page
    assert f"cv.{extension}" in page
    assert ("data:image/jpeg;base64," in page) == (extension == "pdf")
    assert "<html" not in page
    assert "<html" in _get_resume(remy, application.pk)


@any_generation
@pytest.mark.parametrize("filename", ["cv.pdf", "cv.png"])
def test_pages_are_pictures_of_our_own(remy: Client, sandbox: Sandbox, filename: str) -> None:
    page = _get_resume(remy, find_with_resume(sandbox, filename).pk)
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == (2 if filename == "cv.pdf" else 1)
    for picture in pictures:
        assert Image.open(io.BytesIO(base64.b64decode(picture))).format == "JPEG"
    assert ("no text to search" in page) == (filename == "cv.png")


@any_generation
def test_saved_words_are_marked_and_counted(remy: Client, sandbox: Sandbox, personas) -> None:
    ReviewPreferences.objects.create(
        membership=personas.remy, highlighted_words="python, Go, python"
    )
    text = b"Python and PYTHON, not Google"
    page = _get_resume(remy, find_with_resume(sandbox, "cv.txt", text).pk)
    assert page.count("<mark>Python</mark>") == page.count("<mark>PYTHON</mark>") == 1
    assert re.findall(r'<span class="num">(\d)</span>', page) == ["2", "0"]


def test_newest_resume_is_shown(remy: Client, sandbox: Sandbox) -> None:
    application = find_with_resume(sandbox, "first.txt", b"first")
    owner = {"candidate_id": application.candidate.remote_id}
    for year, kind in ((2099, "resume"), (2019, "resume"), (2100, "cover_letter")):
        sandbox.dataset().add_record(
            Attachment,
            f"{year}-01-01T00:00:00.000Z",
            filename=f"{year}.txt",
            content=str(year).encode(),
            application_id=application.remote_id,
            type=kind,
            **owner,
        )
    assert "2099.txt" in _get_resume(remy, application.pk)


def test_none_is_offered_without_resume(remy: Client, sandbox: Sandbox) -> None:
    application = list_applications()[0]
    sandbox.run_mutation("remove_resumes", application_id=application.remote_id)
    page = _get_resume(remy, application.pk, **HTMX)
    assert "No résumé in Greenhouse." in page
    assert "href" not in page


@any_generation
def test_old_word_file_is_offered_for_download(remy: Client, sandbox: Sandbox) -> None:
    application = find_with_resume(sandbox, "cv.doc")
    url = build_action_url("download_resume", application.pk)
    assert f'href="{url}"' in _get_resume(remy, application.pk)
    response = remy.get(url)
    assert response.content == build_sample_file("cv.doc", None)
    assert response["Content-Disposition"] == 'attachment; filename="cv.doc"'


@any_generation
@pytest.mark.parametrize("filename", ['a"b;\r\nSet-Cookie: x=1.pdf', "Zoë.pdf", "cv.pdf"])
def test_download_is_inert(remy: Client, sandbox: Sandbox, filename: str) -> None:
    content = build_pdf([["Ada"]])
    application = find_with_resume(sandbox, filename, content)
    response = remy.get(build_action_url("download_resume", application.pk))
    assert response.content == content
    assert response["Content-Disposition"].startswith("attachment; filename")
    assert "\n" not in response["Content-Disposition"]
    assert "Set-Cookie" not in response
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "no-store"


@any_generation
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow("runs into the limits"))
        if case in SLOW_CASES
        else case
        for case in HOSTILE_FILES
    ],
)
def test_hostile_file_is_not_shown(remy: Client, sandbox: Sandbox, case: str) -> None:
    filename, build = HOSTILE_FILES[case]
    application = list_applications()[0]
    content = build()
    replace_resume(sandbox, application, filename, content or b"\x00")
    page = _get_resume(remy, application.pk)
    assert REFUSED in page
    assert "Open in Greenhouse" in page
    assert "data:image" not in page
    download = remy.get(build_action_url("download_resume", application.pk))
    assert REFUSED in download.content.decode()
    assert "Content-Disposition" not in download
    downloads = [r for r in sandbox.requests if r.path.startswith("/attachments/")]
    assert len(downloads) == 1, "read once, though asked for twice"


@any_generation
def test_replaced_file_is_checked_again(remy: Client, sandbox: Sandbox) -> None:
    application = find_with_resume(sandbox, "cv.pdf")
    assert "data:image" in _get_resume(remy, application.pk)
    for content in (HTML, b"%PDF-1.4 broken"):
        replace_resume(sandbox, application, "cv.pdf", content)
        download = remy.get(build_action_url("download_resume", application.pk))
        assert REFUSED in download.content.decode()


@any_generation
def test_markup_in_text_is_escaped(remy: Client, sandbox: Sandbox) -> None:
    page = _get_resume(remy, find_with_resume(sandbox, "<i>.txt", HTML).pk)
    assert escape(HTML.decode()) in page
    assert HTML.decode() not in page
    assert "<i>" not in page


@any_generation
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "https://user@127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1:1/",
    ],
)
def test_redirect_inside_is_refused(remy: Client, sandbox: Sandbox, location: str) -> None:
    application = find_with_resume(sandbox, "cv.pdf")
    sandbox.faults.add_fault("/attachments", status=302, headers={"Location": location})
    assert REFUSED in _get_resume(remy, application.pk)


@any_generation
def test_endless_redirects_are_refused(remy: Client, sandbox: Sandbox) -> None:
    application = find_with_resume(sandbox, "cv.pdf")
    sandbox.faults.add_fault(
        "/attachments", status=302, headers={"Location": "/attachments/again"}, times=None
    )
    assert REFUSED in _get_resume(remy, application.pk)
    assert len([r for r in sandbox.requests if r.path.startswith("/attachments")]) == 4


@any_generation
@pytest.mark.parametrize("status", [403, 404])
def test_lost_file_is_not_shown(remy: Client, sandbox: Sandbox, status: int) -> None:
    application = find_with_resume(sandbox, "cv.pdf")
    sandbox.faults.add_fault("/attachments", status=status)
    assert REFUSED in _get_resume(remy, application.pk)


@any_generation
@pytest.mark.parametrize("fault", [{"status": 503}, {"kind": "drop_before"}])
def test_outage_of_files_is_retried(remy: Client, sandbox: Sandbox, fault: dict) -> None:
    """Files are kept elsewhere: they may be away while the API is well."""
    application = find_with_resume(sandbox, "cv.txt", b"here again")
    sandbox.faults.add_fault("/attachments", **fault)
    assert "Still trying" in _get_resume(remy, application.pk, **HTMX)
    assert "here again" in _get_resume(remy, application.pk, **HTMX)


@any_generation
def test_nothing_is_stored(remy: Client, sandbox: Sandbox, settings) -> None:
    settings.REDIS_URL = ""  # what Redis holds: test_resume_cache.py
    secret = "Rumpelstiltskin"
    application = find_with_resume(sandbox, f"{secret}.txt", secret.encode())
    response = remy.get(build_action_url("resume", application.pk))
    assert secret in response.content.decode()
    assert response["Cache-Control"] == "no-store"
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608  (the database's own name)
            assert secret not in str(cursor.fetchall()), table
    [(_, sealed)] = get_memory_store()._values.values()
    assert secret.encode() not in sealed
    assert ApiCall.objects.filter(path="/{file}").exists()


@any_generation
def test_resume_is_read_again_after_a_while(
    remy: Client, sandbox: Sandbox, settings, advance_clock
) -> None:
    settings.REDIS_URL = ""
    application = find_with_resume(sandbox, "cv.txt", b"first")
    assert "first" in _get_resume(remy, application.pk)
    replace_resume(sandbox, application, "cv.txt", b"second")
    assert "first" in _get_resume(remy, application.pk)
    advance_clock(LIFETIME_SECONDS + 1)
    assert "second" in _get_resume(remy, application.pk)


@any_generation
def test_next_resume_is_prefetched(remy: Client, sandbox: Sandbox) -> None:
    application = find_with_resume(sandbox, "cv.txt", b"ready")
    response = remy.get(build_action_url("prefetch_resume", application.pk))
    assert (response.status_code, response.content) == (204, b"")
    sandbox.faults.add_fault(status=503, times=None)
    assert "ready" in _get_resume(remy, application.pk, **HTMX)


@any_generation
@pytest.mark.parametrize("name", ["resume", "prefetch_resume", "download_resume"])
def test_resume_needs_visible_application(
    remy: Client, personas: Personas, sign_in, sandbox: Sandbox, name: str
) -> None:
    application = find_with_resume(sandbox, "cv.txt")
    assert "Interviewed" in _get_resume(remy, application.pk)  # in memory from now on
    url = build_action_url(name, application.pk)
    for stranger in (personas.uma, personas.zoe):
        assert sign_in(stranger).get(url).status_code == 404
    assert Client().get(url).status_code == 302


@any_generation
def test_readers_are_limited_like_callers(remy: Client, sandbox: Sandbox, settings) -> None:
    application = find_with_resume(sandbox, "cv.txt")
    settings.CALLERS_PER_ACCOUNT = 0
    assert "Still trying" in _get_resume(remy, application.pk, **HTMX)
