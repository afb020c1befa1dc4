"""The type of a file by its name and its first bytes, which have to agree."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from integrations.documents.types import MAX_FILE_BYTES, FileType, UnreadableFile

_TYPES_BY_EXTENSION = {
    "pdf": FileType.PDF,
    "docx": FileType.DOCX,
    "rtf": FileType.RTF,
    "txt": FileType.TEXT,
    "text": FileType.TEXT,
    "md": FileType.TEXT,
    "png": FileType.IMAGE,
    "jpg": FileType.IMAGE,
    "jpeg": FileType.IMAGE,
    "gif": FileType.IMAGE,
    "webp": FileType.IMAGE,
    "doc": FileType.DOC,
}
_SIGNATURES = (
    (b"%PDF-", FileType.PDF),
    (b"PK\x03\x04", FileType.DOCX),
    (b"{\\rtf", FileType.RTF),
    (b"\x89PNG\r\n\x1a\n", FileType.IMAGE),
    (b"\xff\xd8\xff", FileType.IMAGE),
    (b"GIF87a", FileType.IMAGE),
    (b"GIF89a", FileType.IMAGE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType.DOC),
)


def detect_file_type(filename: str, content: bytes) -> FileType:
    """Raises UnreadableFile for other types, and where the name says something else."""
    if not content:
        raise UnreadableFile("empty file")
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableFile("larger than 15 MB")
    actual_type = _detect_by_content(content)
    if actual_type is None:
        raise UnreadableFile("unknown type")
    extension = get_extension(filename)
    # Word saves RTF under the name .doc, too.
    is_rtf_named_doc = (extension, actual_type) == ("doc", FileType.RTF)
    if extension and _TYPES_BY_EXTENSION.get(extension) != actual_type and not is_rtf_named_doc:
        raise UnreadableFile("name and content differ")
    return actual_type


def get_extension(filename: str) -> str:
    _, dot, extension = filename.strip().rpartition(".")
    is_extension = dot and extension.isascii() and extension.isalnum() and len(extension) <= 5
    return extension.lower() if is_extension else ""


def _detect_by_content(content: bytes) -> FileType | None:
    start = content[:16]
    for signature, file_type in _SIGNATURES:
        if start.startswith(signature):
            return file_type
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return FileType.IMAGE
    has_text_mark = start.startswith((BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE))
    if has_text_mark or not any(byte < 9 or 13 < byte < 27 for byte in content[:65536]):
        return FileType.TEXT
    return None
