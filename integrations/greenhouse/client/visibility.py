"""Distinguish empty lists from hidden ones in Harvest v3."""

# For a reader who is not a Site Admin, Greenhouse answers lists with 403 or with an empty list
# (both documented). So an empty list is only trusted if another record of the same list, or any
# user, is visible: every account has users.

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from integrations.ats.errors import Evidence, MissingPermission, NotSiteAdmin
from integrations.greenhouse.transport.request import HarvestRequest
from integrations.http.client import HttpResponse

CONFIRMATION_TTL = 10.0  # seconds for which a result is reused
_NOTHING_VISIBLE_SENTENCE = (
    "Greenhouse shows this credential no records. Its Greenhouse user is probably not a Site "
    "Admin. Make that user a Site Admin, or enter the user ID of one. Nothing was removed here."
)
# Lists with these filters are usually empty, and no record is considered deleted because of them.
_OFTEN_EMPTY_FILTERS = {"updated_at", "application_ids", "candidate_ids", "custom_field_ids"}


def has_records(response: HttpResponse) -> bool:
    return bool(response.body.strip(b"[] \t\r\n"))


class VisibilityCheck:
    """Confirms that empty lists are really empty, reusing recent results."""

    def __init__(
        self, send_request: Callable[[HarvestRequest], HttpResponse], now: Callable[[], float]
    ) -> None:
        self._send_request, self._now = send_request, now
        self._last_visible_at = self._last_empty_at = float("-inf")

    def record_visible(self) -> None:
        self._last_visible_at = self._now()

    def confirm_empty(self, request: HarvestRequest) -> None:
        """Raise NotSiteAdmin if nothing else is visible to the reader either."""
        valid_since = self._now() - CONFIRMATION_TTL
        if _OFTEN_EMPTY_FILTERS & request.params.keys() or self._last_visible_at > valid_since:
            return
        if self._last_empty_at <= valid_since:
            if self._has_visible_records(request):
                return
            self._last_empty_at = self._now()
        evidence = Evidence(
            method="GET",
            path=request.template,
            status=200,
            message="an empty list",
            at=datetime.fromtimestamp(self._now(), UTC),
        )
        raise NotSiteAdmin(_NOTHING_VISIBLE_SENTENCE, evidence=evidence)

    def _has_visible_records(self, request: HarvestRequest) -> bool:
        """Whether a control request shows a record; also true if it lacks permission to tell."""
        for control_request in _build_control_requests(request):
            try:
                if has_records(self._send_request(control_request)):
                    return True
            except MissingPermission:
                return True
        return False


def _build_control_requests(request: HarvestRequest) -> Iterator[HarvestRequest]:
    is_filtered = bool(request.params.keys() - {"per_page", "fields"})
    if is_filtered and request.path != "/v3/users":
        yield _build_first_record_request(request.path, request.permission)
    yield _build_first_record_request("/v3/users", "users.list")


def _build_first_record_request(path: str, permission: str) -> HarvestRequest:
    return HarvestRequest(path=path, template=path, permission=permission, params={"per_page": "1"})
