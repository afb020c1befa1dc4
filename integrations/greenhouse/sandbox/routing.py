"""Finding a route: a path template such as ``/v1/jobs/{id}/openings/{other}``."""

from __future__ import annotations

from collections.abc import Iterable


class Router:
    """Knows path templates. Numbers in a path stand for its names; other text for none."""

    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        self._routes = [
            (method, template, tuple(template.strip("/").split("/"))) for method, template in routes
        ]
        self._exact = {(method, template) for method, template, _ in self._routes}

    def find(self, method: str, path: str) -> tuple[str, list[int | None]] | None:
        """Give the template of a path and its numbers; None for a text where a number belongs.

        Gives None when there is no such route, whatever the method: a Rails-like router does not
        tell a wrong method from a wrong path (inferred).
        """
        method = "GET" if method == "HEAD" else method
        if (method, path) in self._exact:
            return path, []
        parts = path.strip("/").split("/")
        for known, template, pieces in self._routes:
            if known != method or len(pieces) != len(parts):
                continue
            pairs = list(zip(pieces, parts, strict=True))
            if all(piece[0] == "{" or piece == part for piece, part in pairs):
                return template, [_number(part) for piece, part in pairs if piece[0] == "{"]
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 20 else None
