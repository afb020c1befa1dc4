"""Résumés of each kind, made from a record: small, and the same for the same record."""

from __future__ import annotations

import io
import textwrap
import zipfile
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

from integrations.greenhouse.sandbox.dataset.records import Candidate

EXTENSIONS = ("pdf", "pdf", "docx", "pdf", "png", "rtf", "pdf", "txt", "pdf", "doc")

_SKILLS = (
    "Python, Django and PostgreSQL",
    "JavaScript, React and Go",
    "hiring plans, budgets and OKRs",
    "SQL, dashboards and forecasting",
)
_CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONSHIPS = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    "{}</Relationships>"
)
_DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    "<w:body>{}</w:body></w:document>"
)
_WORD_97_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def build_sample_file(filename: str, candidate: Candidate | None) -> bytes:
    lines = _write_resume(candidate)
    match filename.rpartition(".")[2]:
        case "pdf":
            return build_pdf([lines, ["References", "", "Available on request."]])
        case "docx":
            return build_docx(lines)
        case "png":
            return _draw_png(lines)
        case "rtf":
            return _build_rtf(lines)
        case "doc":
            return _WORD_97_SIGNATURE + bytes(1016)
    return "\n".join(lines).encode()


def _write_resume(candidate: Candidate | None) -> list[str]:
    number = candidate.id if candidate else 0
    names = (candidate.first_name, candidate.last_name) if candidate else ()
    title = (candidate.title if candidate else None) or "Associate"
    company = (candidate.company if candidate else None) or "Kestrel Labs"
    skills = _SKILLS[number % len(_SKILLS)]
    return [
        " ".join(filter(None, names)) or "Candidate", title, "",
        "Summary",
        f"{number % 9 + 3} years of experience with {skills}. Likes small teams and plain writing.",
        "",
        "Experience",
        f"{title}, {company}, 2021 to today",
        f"- Led a project with {skills} that cut waiting times by {number % 40 + 20} percent.",
        "- Interviewed 60 candidates and trained four new colleagues.",
        "Associate, Harbor Systems, 2017 to 2021",
        "- Moved weekly reports from spreadsheets to SQL.",
        "- Wrote the handbook that new colleagues still read first.",
        "",
        "Education",
        "BSc Computer Science, State University, 2017",
        "",
        "Languages",
        "English, Spanish",
    ]  # fmt: skip


def build_pdf(pages: list[list[str]]) -> bytes:
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1%s>>"]
    objects[2] %= b"/BaseFont/Helvetica/Encoding/WinAnsiEncoding"
    kids = []
    for lines in pages:
        stream = _draw_pdf_lines(lines)
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R"
        objects.append(page % len(objects) + b"/Resources<</Font<</F1 3 0 R>>>>>>")
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    return assemble_pdf(objects)


def assemble_pdf(objects: list[bytes]) -> bytes:
    """A PDF of these objects, the first of which is the catalog."""
    output, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(output))
        output += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return output + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
        % (size, table, size, len(output))
    )


def _draw_pdf_lines(lines: list[str]) -> bytes:
    parts, y = [], 740
    for number, line in enumerate(lines):
        is_heading = not number or (number > 1 and not lines[number - 1])
        size = 22 if not number else 14 if is_heading else 11
        for piece in textwrap.wrap(line, 88) or [""]:
            text = piece.encode("cp1252", "replace")
            for character in (b"\\", b"(", b")"):
                text = text.replace(character, b"\\" + character)
            parts.append(b"BT /F1 %d Tf 56 %d Td (%s) Tj ET" % (size, y, text))
            y -= size + 5
    return b"\n".join(parts)


def build_docx(lines: list[str], *, relationships: str = "") -> bytes:
    paragraphs = (
        f'<w:p><w:r><w:t xml:space="preserve">{escape(line)}</w:t></w:r></w:p>' for line in lines
    )
    main = f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/>'
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _CONTENT_TYPES)
        archive.writestr("_rels/.rels", _RELATIONSHIPS.format(main))
        archive.writestr("word/document.xml", _DOCUMENT.format("".join(paragraphs)))
        archive.writestr("word/_rels/document.xml.rels", _RELATIONSHIPS.format(relationships))
    return output.getvalue()


def _build_rtf(lines: list[str]) -> bytes:
    text = "\\par\n".join(
        "".join(c if ord(c) < 128 else f"\\u{ord(c)}?" for c in line) for line in lines
    )
    return f"{{\\rtf1\\ansi\\deff0{{\\fonttbl{{\\f0 Arial;}}}}\\f0\n{text}\n}}".encode("ascii")


def _draw_png(lines: list[str]) -> bytes:
    image = Image.new("L", (850, 1100), 255)
    draw = ImageDraw.Draw(image)
    y = 60.0
    for number, line in enumerate(lines):
        font = ImageFont.load_default(30 if not number else 17)
        for piece in textwrap.wrap(line, 84) or [""]:
            draw.text((60, y), piece, fill=20, font=font)
            y += 40 if not number else 24
    output = io.BytesIO()
    image.save(output, "PNG")
    return output.getvalue()
