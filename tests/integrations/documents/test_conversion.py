"""Untrusted files are read in a child process whose limits the kernel enforces."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from integrations.documents import limits
from integrations.documents.conversion import convert_file, measure_conversion
from integrations.documents.file_types import detect_file_type
from integrations.documents.types import MAX_PAGES, FileType, UnreadableFile
from integrations.greenhouse.sandbox.dataset.sample_files import (
    build_docx,
    build_pdf,
    build_sample_file,
)
from tests.integrations.documents import hostile_files
from tests.integrations.documents.hostile_files import HOSTILE_FILES

REFUSED_UNREAD = {
    *("html", "html_as_picture", "svg", "pdf_as_picture", "program", "empty", "too_large"),
}


@pytest.mark.parametrize("case", sorted(REFUSED_UNREAD))
def test_hostile_file_is_refused_unread(case: str) -> None:
    filename, build = HOSTILE_FILES[case]
    with pytest.raises(UnreadableFile):
        detect_file_type(filename, build())


@pytest.mark.slow("starts a process for each file, and some run into the limits")
def test_hostile_files_are_refused_within_limits() -> None:
    """Measured from a small process: Linux counts the starting process's memory, too."""
    output = subprocess.run(
        [sys.executable, "-m", "tests.integrations.documents.measure_children"],
        cwd=Path(__file__).resolve().parents[3], capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    sys.stdout.write(output)
    usages = [json.loads(line) for line in output.splitlines()]
    assert {usage["case"] for usage in usages} == HOSTILE_FILES.keys() - REFUSED_UNREAD
    for usage in usages:
        assert usage["peak_memory_bytes"] <= limits.MEMORY_BYTES, usage
        assert usage["cpu_seconds"] <= limits.CPU_SECONDS + 0.2, usage
        assert usage["status"] != 0, usage
        assert not usage["has_document"], usage
    assert {usage["case"]: usage["status"] for usage in usages}["slow_pdf"] == -signal.SIGKILL


@pytest.mark.parametrize("extension", ["pdf", "docx", "rtf", "txt"])
def test_text_is_read(extension: str) -> None:
    filename = f"resume.{extension}"
    content = build_sample_file(filename, None)
    document = convert_file(content, detect_file_type(filename, content))
    assert "Interviewed 60 candidates" in document.texts[0]
    assert bool(document.images) == (extension == "pdf")


def test_pages_become_pictures() -> None:
    document = convert_file(build_pdf([["One"], ["Two"]]), FileType.PDF)
    assert document.page_count == len(document.images) == 2
    assert document.texts == ("One", "Two")
    picture = Image.open(io.BytesIO(document.images[0].jpeg))
    assert picture.size == (document.images[0].width, document.images[0].height) == (1240, 1605)
    assert not document.is_cut


@pytest.mark.slow("draws many pages")
def test_long_pdf_is_cut() -> None:
    document = convert_file(build_pdf([["Page"]] * 30), FileType.PDF)
    assert document.page_count == 30
    assert 0 < len(document.images) <= MAX_PAGES
    assert document.is_cut


def test_picture_is_drawn_anew() -> None:
    content = hostile_files.build_picture_polyglot()
    document = convert_file(content, detect_file_type("resume.png", content))
    assert hostile_files.HTML in content
    assert hostile_files.HTML not in document.images[0].jpeg


def test_web_links_in_word_files_are_text() -> None:
    content = build_docx(["my page"], relationships=hostile_files.LINK_RELATIONSHIP)
    assert convert_file(content, FileType.DOCX).texts == ("my page",)


def test_entities_read_no_file() -> None:
    document, _ = measure_conversion(hostile_files.build_docx_with_file_entity(), FileType.DOCX)
    assert document is None or "root:" not in document.texts[0]


def test_lists_boxes_and_tables_are_read() -> None:
    namespace = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    box = "<w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent>"
    xml = (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
        f' xmlns:mc="{namespace}"><w:body><w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>Point</w:t></w:r>'
        f"</w:p><w:p><w:r><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}"
        "</mc:Fallback></mc:AlternateContent></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>Cell"
        "</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>"
    )
    text = convert_file(hostile_files._replace_document(xml), FileType.DOCX).texts[0]
    assert text.split() == ["•", "Point", "Boxed", "Cell"]


@pytest.mark.parametrize(
    ("filename", "content", "file_type"),
    [
        ("cv", b"%PDF-1.4", FileType.PDF),
        ("CV.PDF", b"%PDF-1.4", FileType.PDF),
        ("cv.doc", b"{\\rtf1 x}", FileType.RTF),
        ("cv.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType.DOC),
        ("cv.txt", "Zoë".encode("utf-16"), FileType.TEXT),
        ("cv.v2 final", b"text", FileType.TEXT),
    ],
)
def test_type_is_detected(filename: str, content: bytes, file_type: FileType) -> None:
    assert detect_file_type(filename, content) is file_type


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_text(encoding: str) -> None:
    document = convert_file("Zoë Müller".encode(encoding), FileType.TEXT)
    assert document.texts == ("Zoë Müller",)


def test_control_characters_are_removed() -> None:
    content = "A\x1b[31m\u0085B\r\n\r\n\r\n\r\nC\ufeff".encode()
    assert convert_file(content, FileType.TEXT).texts == ("A[31mB\n\nC",)
