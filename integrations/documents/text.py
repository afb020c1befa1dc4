"""Text from files without pages: plain text and RTF."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from striprtf.striprtf import rtf_to_text

from integrations.documents.types import MAX_TEXT_LENGTH, Document, UnreadableFile

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufeff\ufff0-\uffff]")
_MANY_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def read_plain_text(content: bytes) -> Document:
    return build_text_document(_decode_text(content))


def read_rtf(content: bytes) -> Document:
    try:
        text: str = rtf_to_text(content.decode("latin-1"), errors="ignore")  # type: ignore[no-untyped-call]
    except (ValueError, LookupError, OSError, IndexError, KeyError, TypeError) as error:
        raise UnreadableFile("RTF not readable") from error
    return build_text_document(text)


def build_text_document(text: str) -> Document:
    cleaned = clean_text(text)
    return Document(texts=(cleaned[:MAX_TEXT_LENGTH],), is_cut=len(cleaned) > MAX_TEXT_LENGTH)


def clean_text(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")
    without_controls = _CONTROL_CHARACTERS.sub("", lines)
    encodable = without_controls.encode("utf-8", "ignore").decode()
    return _MANY_BLANK_LINES.sub("\n\n", encodable).strip()


def _decode_text(content: bytes) -> str:
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
