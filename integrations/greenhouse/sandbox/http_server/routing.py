"""Routing by path templates such as ``/v1/jobs/{id}/openings/{other}``."""

from __future__ import annotations

from collections.abc import Iterable


class Router:
    """Matches paths against templates whose placeholders stand for IDs."""

    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        self._routes = [
            (method, template, tuple(template.strip("/").split("/"))) for method, template in routes
        ]
        self._exact = {(method, template) for method, template, _ in self._routes}

    def find_route(self, method: str, path: str) -> tuple[str, list[int | None]] | None:
        """Return the template and its IDs (None for a non-numeric one), or None.

        Like a Rails router, it does not tell a wrong method from a wrong path (inferred).
        """
        method = "GET" if method == "HEAD" else method
        if (method, path) in self._exact:
            return path, []
        parts = path.strip("/").split("/")
        for route_method, template, pieces in self._routes:
            if route_method != method or len(pieces) != len(parts):
                continue
            pairs = list(zip(pieces, parts, strict=True))
            if all(piece[0] == "{" or piece == part for piece, part in pairs):
                return template, [_parse_id(part) for piece, part in pairs if piece[0] == "{"]
        return None


def _parse_id(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 20 else None
