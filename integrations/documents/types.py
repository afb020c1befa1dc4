"""What a conversion returns, as it crosses from the child process."""

from __future__ import annotations

from enum import StrEnum

import msgspec

MAX_FILE_BYTES = 15 * 1024 * 1024
MAX_PAGES = 20
MAX_TEXT_LENGTH = 200_000  # characters


class FileType(StrEnum):
    PDF = "pdf"
    DOCX = "docx"
    RTF = "rtf"
    TEXT = "txt"
    IMAGE = "image"
    DOC = "doc"  # never converted: only offered for download


class PageImage(msgspec.Struct, frozen=True):
    width: int
    height: int
    jpeg: bytes


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """At most `MAX_PAGES` images, and one text for each page, or one for a file without pages."""

    images: tuple[PageImage, ...] = ()
    texts: tuple[str, ...] = ()
    page_count: int = 0  # 0: a file without pages
    is_cut: bool = False  # there is more than what is here


class UnreadableFile(Exception):
    """The file can't be shown. Its text names the cause, without anything of the file."""
