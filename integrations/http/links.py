"""The `Link` header (RFC 8288), followed only to where it may lead."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from integrations.ats.errors import UnreadableAnswer

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[\w*!-]+\s*=\s*(?:\"[^\"]*\"|[^,;\"\s]+))*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^,;\"\s]+))", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def next_target(header: str | None, *, asked: str, base: str) -> str | None:
    """Where the next page is, as path and query relative to `base`; None on the last page.

    `header` is the `Link` header, `asked` the URL whose answer carried it, `base` the configured
    address of the API. Raises UnreadableAnswer for a link to anywhere else: it would carry the
    credential there.
    """
    for url, parameters in _LINK.findall(header or ""):
        rel = _REL.search(parameters)
        if rel and "next" in (rel[1] or rel[2] or "").lower().split():
            try:
                return target_of(urljoin(asked, url), base=base)
            except ValueError as error:
                raise UnreadableAnswer("Greenhouse's answer links to a malformed URL.") from error
    return None


def target_of(url: str, *, base: str) -> str:
    """`url` as path and query relative to `base`. Raises UnreadableAnswer for another place."""
    here, there = urlsplit(base), urlsplit(url)
    root = here.path.rstrip("/")
    same = _origin(here.scheme, here.netloc) == _origin(there.scheme, there.netloc)
    if not same or not there.path.startswith(f"{root}/") or ".." in there.path.split("/"):
        raise UnreadableAnswer(
            "Greenhouse's answer leads to another address than the configured one. "
            "We did not follow it."
        )
    query = f"?{there.query}" if there.query else ""
    return there.path[len(root) :] + query


def url_of(target: str, *, base: str) -> str:
    """The whole URL of a target that was handed out earlier; it is checked again."""
    url = base.rstrip("/") + target
    if not target.startswith("/") or target.startswith("//") or target_of(url, base=base) != target:
        raise UnreadableAnswer("The place to go on from is not one that we handed out.")
    return url


def _origin(scheme: str, netloc: str) -> tuple[str, str, int | None]:
    host, _, port = netloc.rpartition("@")[2].partition(":")
    if "@" in netloc:
        host = ""  # a link with somebody's credentials in it is never ours
    known = _PORTS.get(scheme.lower())
    return scheme.lower(), host.lower(), int(port) if port.isdigit() else known
