"""Text of a Word file (DOCX), without its pictures and without anything outside the file."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

import docx
from docx.document import Document as WordDocument
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from lxml import etree

from integrations.documents.text import build_text_document
from integrations.documents.types import Document, UnreadableFile

MAX_ENTRIES = 2000
MAX_UNPACKED_BYTES = 60 * 1024 * 1024
MAX_XML_BYTES = 20 * 1024 * 1024  # of all parts that are parsed

_PARAGRAPH, _TEXT = qn("w:p"), qn("w:t")
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TAB, _BREAKS = qn("w:tab"), {qn("w:br"), qn("w:cr")}
_LIST_ITEM = f"./{qn('w:pPr')}/{qn('w:numPr')}"


def read_word(content: bytes) -> Document:
    try:
        _check_archive(content)
        document = docx.Document(io.BytesIO(content))
        _check_targets(document)
        return build_text_document("\n".join(_list_paragraphs(document)))
    except (
        OpcError, OSError, ValueError, KeyError, AttributeError, RuntimeError, MemoryError,
        NotImplementedError, zipfile.BadZipFile, zlib.error, etree.LxmlError,
    ) as error:  # fmt: skip
        raise UnreadableFile("DOCX not readable") from error


def _check_archive(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise UnreadableFile("too many parts")
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableFile("encrypted")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise UnreadableFile("unpacks too large")
    xml_sizes = [e.file_size for e in entries if e.filename.lower().endswith((".xml", ".rels"))]
    if sum(xml_sizes) > MAX_XML_BYTES:
        raise UnreadableFile("unpacks too large")


def _check_targets(document: WordDocument) -> None:
    """Links to web pages are only text; anything else outside the file is refused."""
    relationship_lists = [document.part.package.rels, document.part.rels]
    relationship_lists += [part.rels for part in document.part.package.iter_parts()]
    for relationships in relationship_lists:
        for relationship in relationships.values():
            is_link = relationship.reltype == RELATIONSHIP_TYPE.HYPERLINK
            if relationship.is_external and not is_link:
                raise UnreadableFile("external target")


def _list_paragraphs(document: WordDocument) -> Iterator[str]:
    """Of the page header, the body with its tables and text boxes, and the footer."""
    section = document.sections[0] if document.sections else None
    if section is not None and not section.header.is_linked_to_previous:
        yield from _list_texts(section.header._element)
    yield from _list_texts(document.element.body)
    if section is not None and not section.footer.is_linked_to_previous:
        yield from _list_texts(section.footer._element)


def _list_texts(root: etree._Element) -> Iterator[str]:
    for paragraph in root.iter(_PARAGRAPH):
        # Word repeats text boxes for older programs.
        if next(paragraph.iterancestors(_FALLBACK), None) is None:
            text = "".join(_list_pieces(paragraph))
            yield f"• {text}" if text and paragraph.find(_LIST_ITEM) is not None else text


def _list_pieces(paragraph: etree._Element) -> Iterator[str]:
    for element in paragraph.iter(_TEXT, _TAB, *_BREAKS):
        owner = next(element.iterancestors(_PARAGRAPH), None)
        if owner is not paragraph:  # of a text box inside
            continue
        if element.tag == _TEXT:
            yield element.text or ""
        else:
            yield "\n" if element.tag in _BREAKS else "\t"
