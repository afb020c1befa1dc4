"""Files made to do harm, by the name under which they would be uploaded."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from integrations.greenhouse.sandbox.dataset.sample_files import (
    assemble_pdf,
    build_docx,
    build_pdf,
    build_sample_file,
)

_CATALOG, _PAGES = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
_RELATIONSHIP = (
    '<Relationship Id="rId9" TargetMode="External" Target="http://127.0.0.1:9/x"'
    ' Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{}"/>'
)
LINK_RELATIONSHIP = _RELATIONSHIP.format("hyperlink")


def build_endless_pdf() -> bytes:
    """Each form draws the next one ten times: ten to the tenth drawings."""
    depth = 10
    objects = [_CATALOG, _PAGES]
    objects.append(
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
        b"/Resources<</XObject<</F 5 0 R>>>>>>"
    )
    objects.append(b"<</Length 5>>stream\n/F Do\nendstream")
    for level in range(depth):
        drawing = b"/F Do " * 10 if level < depth - 1 else b"0 0 9 9 re f"
        following = b"/Resources<</XObject<</F %d 0 R>>>>" % (6 + level)
        objects.append(
            b"<</Type/XObject/Subtype/Form/BBox[0 0 612 792]%s/Length %d>>stream\n%s\nendstream"
            % (following if level < depth - 1 else b"", len(drawing), drawing)
        )
    return assemble_pdf(objects)


def build_slow_pdf() -> bytes:
    """Fills the page with a color gradient thousands of times."""
    drawing = b"/S sh\n" * 15_000
    function = b"<</FunctionType 2/Domain[0 1]/C0[0 0 0]/C1[1 1 1]/N 1.7>>"
    shading = b"<</ShadingType 2/ColorSpace/DeviceRGB/Coords[0 0 612 792]/Function %s>>" % function
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
    return assemble_pdf(
        [
            _CATALOG,
            _PAGES,
            page + b"/Resources<</Shading<</S %s>>>>>>" % shading,
            b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        ]
    )


def build_pdf_bomb() -> bytes:
    """Unpacks to 300 MB of drawing."""
    packer = zlib.compressobj(9)
    piece = b"0 0 9 9 re f\n" * 80_000
    packed = b"".join(packer.compress(piece) for _ in range(300)) + packer.flush()
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>>"
    stream = b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(packed), packed)
    return assemble_pdf([_CATALOG, _PAGES, page, stream])


def build_pdf_with_fonts(count: int = 1000) -> bytes:
    fonts = b"".join(b"/F%d %d 0 R" % (n, n + 5) for n in range(count))
    text = b"".join(b"BT /F%d 9 Tf 50 %d Td (Ada) Tj ET\n" % (n, n % 700) for n in range(count))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<<%s>>"
    objects = [_CATALOG, _PAGES, page % fonts + b">>>>"]
    objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(text), text))
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Unknown%d>>"
    return assemble_pdf([*objects, *(font % n for n in range(count))])


def build_pdf_with_many_pages() -> bytes:
    pages = b"<</Type/Pages/Kids[%s]/Count 50000>>" % (b"3 0 R " * 50_000)
    return assemble_pdf([_CATALOG, pages, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"])


def build_encrypted_pdf() -> bytes:
    """Needs a password: the keys are made up, so none opens it."""
    encryption = b"<</Filter/Standard/V 1/R 2/P -44/O(%s)/U(%s)>>" % (b"o" * 32, b"u" * 32)
    plain = build_pdf([["secret"]])
    trailer = b"/Encrypt %s/ID[(0123456789abcdef)(0123456789abcdef)]" % encryption
    return plain.replace(b"/Root 1 0 R", b"/Root 1 0 R" + trailer)


def build_docx_bomb() -> bytes:
    output = io.BytesIO()
    with (
        zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as part,
    ):
        for _ in range(100):
            part.write(b" " * 1_000_000)
    return output.getvalue()


def build_lying_docx_bomb() -> bytes:
    """Its directory claims that each part is small."""
    content = bytearray(build_docx_bomb())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = content.index(signature)
        content[start + offset : start + offset + 4] = struct.pack("<I", 100)
    return bytes(content)


def build_docx_with_entities() -> bytes:
    """A billion laughs."""
    entities = '<!ENTITY a "' + "ha" * 50 + '">'
    for name, previous in zip("bcdefghi", "abcdefgh", strict=True):
        entities += f'<!ENTITY {name} "{f"&{previous};" * 12}">'
    return _replace_document(
        f'<?xml version="1.0"?><!DOCTYPE w:document [{entities}]>'
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:body><w:p><w:r><w:t>&i;</w:t></w:r></w:p></w:body></w:document>"
    )


def build_docx_with_file_entity() -> bytes:
    return _replace_document(
        '<?xml version="1.0"?><!DOCTYPE w:document [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:body><w:p><w:r><w:t>before &x; after</w:t></w:r></w:p></w:body></w:document>"
    )


def _replace_document(xml: str) -> bytes:
    output = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(build_docx(["x"]))) as source,
        zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, xml if name == "word/document.xml" else source.read(name))
    return output.getvalue()


def build_png_bomb(side: int = 30_000) -> bytes:
    """A picture of 30,000 by 30,000 pixels in some kilobytes."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


HTML = b"<!doctype html><script>alert(document.domain)</script>"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="9" height="9"/></svg>'
)

# By case: the file's name and how to make its content.
HOSTILE_FILES = {
    "html": ("resume.pdf", lambda: HTML),
    "html_as_picture": ("resume.png", lambda: HTML),
    "svg": ("resume.svg", lambda: SVG),
    "pdf_as_picture": ("resume.png", lambda: build_pdf([["Ada"]])),
    "program": ("resume.exe", lambda: b"MZ\x90\x00" + bytes(100)),
    "empty": ("resume.pdf", lambda: b""),
    "too_large": ("resume.txt", lambda: b"a" * (15 * 1024 * 1024 + 1)),
    "broken_pdf": ("resume.pdf", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 40),
    "encrypted_pdf": ("resume.pdf", build_encrypted_pdf),
    "endless_pdf": ("resume.pdf", build_endless_pdf),
    "slow_pdf": ("resume.pdf", build_slow_pdf),
    "pdf_bomb": ("resume.pdf", build_pdf_bomb),
    "thousand_fonts": ("resume.pdf", build_pdf_with_fonts),
    "many_pages": ("resume.pdf", build_pdf_with_many_pages),
    "docx_bomb": ("resume.docx", build_docx_bomb),
    "lying_docx_bomb": ("resume.docx", build_lying_docx_bomb),
    "docx_entities": ("resume.docx", build_docx_with_entities),
    "docx_external_template": (
        "resume.docx",
        lambda: build_docx(["x"], relationships=_RELATIONSHIP.format("attachedTemplate")),
    ),
    "docx_external_picture": (
        "resume.docx",
        lambda: build_docx(["x"], relationships=_RELATIONSHIP.format("image")),
    ),
    "zip": ("resume.docx", lambda: b"PK\x03\x04" + bytes(64)),
    "picture_bomb": ("resume.png", build_png_bomb),
    "broken_picture": ("resume.jpg", lambda: b"\xff\xd8\xff\xe0" + b"ab" * 500),
}


def build_picture_polyglot() -> bytes:
    """A picture that is a web page as well."""
    return build_sample_file("x.png", None) + HTML
