"""Prints what the kernel counted for the child that read each hostile file."""

from __future__ import annotations

import json
import sys

from integrations.documents.conversion import measure_conversion
from integrations.documents.file_types import detect_file_type
from integrations.documents.types import UnreadableFile
from tests.integrations.documents.hostile_files import HOSTILE_FILES

for case, (filename, build) in HOSTILE_FILES.items():
    content = build()
    try:
        file_type = detect_file_type(filename, content)
    except UnreadableFile:
        continue
    document, usage = measure_conversion(content, file_type)
    figures = {
        "case": case,
        "peak_memory_bytes": usage.peak_memory_bytes,
        "cpu_seconds": round(usage.cpu_seconds, 2),
        "status": usage.status,
        "has_document": document is not None,
    }
    sys.stdout.write(json.dumps(figures) + "\n")
