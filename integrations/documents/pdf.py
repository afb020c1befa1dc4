"""PDF: an image of each page, and its text. PDFium is built without JavaScript, and forms are not
loaded.
"""

from __future__ import annotations

import ctypes
import time

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from integrations.documents.images import MAX_PAGE_HEIGHT, PAGE_WIDTH, encode_image
from integrations.documents.limits import SOFT_CPU_SECONDS
from integrations.documents.text import clean_text
from integrations.documents.types import (
    MAX_PAGES,
    MAX_TEXT_LENGTH,
    Document,
    PageImage,
    UnreadableFile,
)

MAX_PAGE_COUNT = 1000
MAX_OBJECTS, MAX_FONTS = 20_000, 200  # of a page


def read_pdf(content: bytes) -> Document:
    try:
        document = pypdfium2.PdfDocument(content)
        page_count = len(document)
        if not 0 < page_count <= MAX_PAGE_COUNT:
            raise UnreadableFile("page count")
        return _read_pages(document, page_count)
    except (pypdfium2.PdfiumError, ValueError, MemoryError, ctypes.ArgumentError) as error:
        raise UnreadableFile("PDF not readable") from error


def _read_pages(document: pypdfium2.PdfDocument, page_count: int) -> Document:
    images: list[PageImage] = []
    texts: list[str] = []
    length = 0
    for number in range(min(page_count, MAX_PAGES)):
        if images and time.process_time() > SOFT_CPU_SECONDS:
            break
        page = document[number]
        _check_complexity(page)
        images.append(_draw_page(page))
        texts.append(_read_text(page)[: MAX_TEXT_LENGTH - length])
        length += len(texts[-1])
        page.close()
    return Document(
        images=tuple(images),
        texts=tuple(texts),
        page_count=page_count,
        is_cut=len(images) < page_count,
    )


def _check_complexity(page: pypdfium2.PdfPage) -> None:
    if pdfium.FPDFPage_CountObjects(page) > MAX_OBJECTS:
        raise UnreadableFile("too many objects")
    fonts: set[int] = set()
    for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=4):
        font = pdfium.FPDFTextObj_GetFont(item)
        fonts.add(ctypes.addressof(font.contents) if font else 0)
        if len(fonts) > MAX_FONTS:
            raise UnreadableFile("too many fonts")


def _draw_page(page: pypdfium2.PdfPage) -> PageImage:
    width, height = page.get_size()
    if width < 1 or height < 1:
        raise UnreadableFile("page size")
    scale = min(PAGE_WIDTH / width, MAX_PAGE_HEIGHT / height)
    if width * scale < 1 or height * scale < 1:
        raise UnreadableFile("page size")
    bitmap = page.render(scale=scale, may_draw_forms=False, rev_byteorder=True)
    image: Image.Image = bitmap.to_pil()
    encoded = encode_image(image.convert("RGB"))
    bitmap.close()
    return encoded


def _read_text(page: pypdfium2.PdfPage) -> str:
    text_page = page.get_textpage()
    text: str = text_page.get_text_bounded()
    text_page.close()
    # PDFium's mark for a hyphen at the end of a line.
    return clean_text(text.replace("\ufffe", "-").replace("\x02", "-"))
