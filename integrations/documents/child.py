"""The process that reads one untrusted file: `child.py TYPE` with the file on stdin.

Answers with a msgpack `Document`, or exits with a status other than 0.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import sys

import msgspec

from integrations.documents import limits
from integrations.documents.types import MAX_FILE_BYTES, FileType, UnreadableFile

_READERS = {
    FileType.PDF: ("pdf", "read_pdf"),
    FileType.DOCX: ("word", "read_word"),
    FileType.RTF: ("text", "read_rtf"),
    FileType.TEXT: ("text", "read_plain_text"),
    FileType.IMAGE: ("images", "read_image"),
}
UNREADABLE_STATUS = 3
# Python loads these when they are first used, and by then no file can be opened.
_CODECS = (
    *(f"cp{number}" for number in (437, 850, 932, 936, 949, 950, *range(1250, 1259))),
    *(
        "mac_roman",
        "utf_16",
        "utf_16_le",
        "utf_16_be",
        "utf_8_sig",
        "latin_1",
        "gbk",
        "big5",
        "shift_jis",
        "euc_kr",
    ),
)


def run_child() -> None:
    limits.limit_memory_and_time()
    module_name, function_name = _READERS[FileType(sys.argv[-1])]
    module = importlib.import_module(f"integrations.documents.{module_name}")
    _load_codecs()
    limits.forbid_opening_files()
    content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    try:
        document = getattr(module, function_name)(content)
    except (UnreadableFile, RecursionError, MemoryError):
        sys.exit(UNREADABLE_STATUS)
    sys.stdout.buffer.write(msgspec.msgpack.encode(document))


def _load_codecs() -> None:
    for name in _CODECS:
        with contextlib.suppress(LookupError):
            codecs.lookup(name)
