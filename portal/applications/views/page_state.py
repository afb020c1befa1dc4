"""What the page showed when somebody decided, for the decision record: never search terms, which
may be a candidate's name.
"""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from portal.accounts.access import MemberRequest
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.models import ReviewSession
from portal.applications.page.application_list import restrict_filters
from portal.applications.page.filters import ApplicationFilters, drop_search, parse_filters
from portal.applications.review import sessions
from portal.applications.review.highlighting import list_words
from portal.applications.views.return_urls import get_list_query, get_origin
from portal.entitlements.rules import Rights

LIST_PAGE = "requisition"
_PAGES = (LIST_PAGE, "review", "applicant", "activity", "history")
# Those that highlight the person's words.
_PAGES_WITH_WORDS = ("review", "applicant")


def capture_page_state(
    request: MemberRequest,
    available_actions: AvailableActions,
    review_session: ReviewSession | None,
) -> dict[str, Any]:
    """JSON; without keys of what was not on."""
    page = get_origin(request) or LIST_PAGE
    rights = available_actions.context.rights
    # What the browser sent may be anything.
    state: dict[str, Any] = {"page": page} if page in _PAGES else {}
    if page == LIST_PAGE:
        state |= capture_list(QueryDict(get_list_query(request)), rights)
    elif review_session is not None:
        state |= _capture_review(review_session)
    highlighted_words = _get_highlighted_words(rights) if page in _PAGES_WITH_WORDS else []
    return state | {"words": highlighted_words} if highlighted_words else state


def capture_list(query: QueryDict, rights: Rights) -> dict[str, Any]:
    """The filters of a requisition's list; none for an application that a link led to."""
    if "application" in query:
        return {}
    return _describe_filters(restrict_filters(parse_filters(query), rights))


def _describe_filters(filters: ApplicationFilters) -> dict[str, Any]:
    state: dict[str, Any] = {"query": drop_search(filters).query}
    return state | {"searched": True} if filters.search else state


def _capture_review(review_session: ReviewSession) -> dict[str, Any]:
    state = {"review": review_session.source}
    if review_session.view is not None:
        state["view"] = review_session.view.name
    stored = review_session.filters
    return state | {name: stored[name] for name in ("query", "searched") if stored.get(name)}


def _get_highlighted_words(rights: Rights) -> list[str]:
    return list_words(sessions.get_review_preferences(rights.member).highlighted_words)
