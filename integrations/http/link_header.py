"""Parsing the `Link` header (RFC 8288), restricted to the configured API origin."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from integrations.ats.errors import UnreadableResponse

_LINK_PATTERN = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w*!-]+\s*=\s*(?:\"[^\"]*\"|[^,;\"\s]+))*)")
_REL_PATTERN = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^,;\"\s]+))", re.IGNORECASE)
_MAX_LENGTH = 16 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}


def find_next_target(header: str | None, *, request_url: str, base: str) -> str | None:
    """The next page relative to `base`, the API's URL; None on the last page. Raises
    UnreadableResponse for links to other origins, which would receive the credential.
    """
    header, end = (header or "")[:_MAX_LENGTH], 0
    for link in _LINK_PATTERN.finditer(header):
        url, parameters = link.groups()
        if "<" in header[end : link.start()]:  # the URL began earlier, with a "<" in it
            raise UnreadableResponse("Greenhouse's response links to a malformed URL.")
        end = link.end()
        rel = _REL_PATTERN.search(parameters)
        if rel and "next" in (rel[1] or rel[2] or "").lower().split():
            try:
                return get_relative_target(urljoin(request_url, url), base=base)
            except ValueError as error:
                raise UnreadableResponse(
                    "Greenhouse's response links to a malformed URL."
                ) from error
    return None


def get_relative_target(url: str, *, base: str) -> str:
    base_parts, url_parts = urlsplit(base), urlsplit(url)
    root = base_parts.path.rstrip("/")
    is_same_origin = _get_origin(base_parts.scheme, base_parts.netloc) == _get_origin(
        url_parts.scheme, url_parts.netloc
    )
    if (
        not is_same_origin
        or not url_parts.path.startswith(f"{root}/")
        or ".." in url_parts.path.split("/")
    ):
        raise UnreadableResponse(
            "Greenhouse's response links to another server than the configured one. "
            "We didn't follow it."
        )
    query = f"?{url_parts.query}" if url_parts.query else ""
    return url_parts.path[len(root) :] + query


def build_target_url(target: str, *, base: str) -> str:
    """Return the full URL of a target issued earlier, after checking it again."""
    url = base.rstrip("/") + target
    if (
        not target.startswith("/")
        or target.startswith("//")
        or get_relative_target(url, base=base) != target
    ):
        raise UnreadableResponse("The page to continue from isn't one of ours.")
    return url


def _get_origin(scheme: str, netloc: str) -> tuple[str, str, int | None]:
    host, _, port = netloc.rpartition("@")[2].partition(":")
    if "@" in netloc:
        host = ""  # URLs with credentials never match
    default_port = _DEFAULT_PORTS.get(scheme.lower())
    return scheme.lower(), host.lower(), int(port) if port.isdigit() else default_port
