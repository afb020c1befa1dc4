"""The address of a list: its search, and what the browser shows while filters change."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, QueryDict

MAX_SEARCH_LENGTH = 200


def parse_search(query: QueryDict) -> str:
    """The search terms, with single blanks."""
    return " ".join(query.get("q", "").replace("\x00", "").split())[:MAX_SEARCH_LENGTH]


def update_browser_url(
    request: HttpRequest,
    response: HttpResponse,
    url: str,
    normalize_query: Callable[[QueryDict], str],
) -> None:
    """Have HTMX show the list's new `url`. While somebody types, it replaces the old one, so that
    Back returns to the list before the search.
    """
    _, _, current_query = (request.htmx.current_url or "").partition("?")  # type: ignore[attr-defined]
    previous = QueryDict(normalize_query(QueryDict(current_query.partition("#")[0])), mutable=True)
    current = QueryDict(url.partition("?")[2], mutable=True)
    has_both_searches = bool(previous.pop("q", None)) and bool(current.pop("q", None))
    is_typing = has_both_searches and previous == current
    response["HX-Replace-Url" if is_typing else "HX-Push-Url"] = url
