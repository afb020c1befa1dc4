"""Static files as they are served: style sheets without comments and indentation, names with a hash
of the content, and a gzip and a Brotli copy of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r"""("[^"]*"|'[^']*')""")
_SEPARATOR = re.compile(r"\s*([{};,>])\s*")
_LEADING_ZERO = re.compile(r"(?<=[\s:,(])0(?=\.\d)")


class MinifyingStorage(CompressedManifestStaticFilesStorage):
    def post_process(self, paths: dict[str, Any], **options: Any) -> Iterator[Any]:
        sheets = [] if options.get("dry_run") else [p for p in paths if p.startswith("css/")]
        for name in sheets:
            file = Path(self.path(name))
            file.write_text(minify_css(file.read_text()))
        # Hashed from here rather than from where they were collected.
        yield from super().post_process(paths | {name: (self, name) for name in sheets}, **options)


def minify_css(css: str) -> str:
    """Remove comments, zeros before a point, and space around what separates; not in strings."""
    parts = _STRING.split(_COMMENT.sub("", css))
    parts[::2] = [_strip_space(part) for part in parts[::2]]
    return "".join(parts).replace(";}", "}").strip()


def _strip_space(css: str) -> str:
    css = _LEADING_ZERO.sub("", re.sub(r"\s+", " ", css))
    return _SEPARATOR.sub(r"\1", css).replace(": ", ":")
