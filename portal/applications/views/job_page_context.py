"""Template context of a requisition's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString, mark_safe

from portal.accounts.access import MemberRequest
from portal.applications.actions.acting_user import describe_acting_user
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.available_actions import ActionOption
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.batches import preview
from portal.applications.page.announced_matches import announce_matches
from portal.applications.page.application_list import (
    ApplicationList,
    find_linked_application,
    only_row_fields,
)
from portal.applications.page.filter_options import build_filter_selects
from portal.applications.page.filters import ACTIVE, ApplicationFilters, encode_list_params
from portal.applications.page.pipeline import ActiveCounts, build_pipeline, count_active
from portal.applications.page.row_html import render_row
from portal.applications.page.rows import ApplicationRow, build_rows
from portal.applications.page.toolbar import build_toolbar_context
from portal.applications.review import sessions
from portal.connections.outage import is_greenhouse_down
from portal.jobs.job_page.details import get_job_about, get_job_details
from portal.sync.freshness import Freshness
from portal.web.list_visits import ListVisit, PagedList, VisitPage

PER_PAGE = 50


def build_list_context(
    request: MemberRequest, application_list: ApplicationList, action_context: ActionContext
) -> dict[str, Any]:
    """What the list shows, as a whole page and as a part of it."""
    job, rights = application_list.job, application_list.rights
    counts = count_active(action_context) if job.is_open else None
    page = _load_page(request, application_list, counts)
    list_query = _encode_list_query(request, application_list, page.list_params)
    return_query = _encode_list_query(request, application_list, page.return_params)
    linked_application = find_linked_application(application_list, request.GET, page.object_list)
    if linked_application is not None:
        filters = ApplicationFilters(status=linked_application.status)
        application_list = replace(application_list, filters=filters)
        page = VisitPage([linked_application], number=1, count=1, start_index=1)
    batch_options = _list_batch_options(application_list)
    acting_user = action_context.acting_user
    toolbar_context = build_toolbar_context(
        application_list, knows_decisions=counts is not None and counts.knows_decisions
    )
    rows = build_rows(page.object_list, action_context)
    return toolbar_context | {
        "job": job,
        "rights": rights,
        "can_act": rights.can_act and job.is_open,
        "pipeline": build_pipeline(action_context, counts) if counts else [],
        "waiting": counts.waiting if counts else None,
        "stage": application_list.filters.stage_param,
        "linked_application": linked_application,
        "has_applications": SimpleLazyObject(lambda: application_list.visible.exists()),
        "list_query": list_query,
        "return_query": return_query,
        "page": page,
        "rows": rows,
        "rows_html": _render_rows(
            rows, selectable=bool(batch_options), shows_status=toolbar_context["shows_status"]
        ),
        "why_cannot_act": acting_user.why_not if job.is_open else "",
        "shown_as": describe_acting_user(acting_user, rights.match.user),
        "reject_undo_seconds": action_context.reject_undo_seconds,
        "compact_rows": action_context.preferences.compact_rows,
        "batch_options": batch_options,
        "announced": announce_matches(application_list, page.count if page.is_new else None)
        if batch_options and page.has_other_pages
        else None,
        "max_batch_size": preview.MAX_BATCH_SIZE,
    }


def build_full_page_context(
    request: MemberRequest,
    application_list: ApplicationList,
    action_context: ActionContext,
    job_freshness: Freshness,
) -> dict[str, Any]:
    """What is only on the whole page."""
    job, rights = application_list.job, application_list.rights
    context: dict[str, Any] = {
        "details": get_job_details(job, rights, job_freshness),
        "is_greenhouse_down": SimpleLazyObject(lambda: is_greenhouse_down(job.connection)),
        **_build_review_offer(application_list),
        "status_counts": _count_by_status(application_list) if not job.is_open else (),
    }
    if request.GET.get("about"):
        context["about"] = get_job_about(job, rights)
    if application_list.filters.filter_count or request.GET.get("filters"):
        context["filter_selects"] = build_filter_selects(application_list, action_context)
    return context


def _build_review_offer(application_list: ApplicationList) -> dict[str, Any]:
    """The review in progress, and whether the list as it is shown is another one."""
    review_session, place = sessions.get_unfinished_session(
        application_list.job, application_list.rights
    )
    shown_query = application_list.filters.query
    return {
        "review_session": review_session,
        "review_place": place,
        "is_other_list": review_session is not None
        and review_session.filters.get("query") != shown_query,
    }


def _load_page(
    request: MemberRequest, application_list: ApplicationList, counts: ActiveCounts | None
) -> VisitPage:
    lists_active = application_list.filters.status == ACTIVE and application_list.has_plain_filters
    # Building these takes a while, and the first page mostly needs neither.
    ordered: Any = SimpleLazyObject(lambda: only_row_fields(application_list.matching))
    shown: Any = SimpleLazyObject(lambda: only_row_fields(application_list.visible))
    paged_list = PagedList(
        application_list.name,
        ordered=ordered,
        shown=shown,
        size=PER_PAGE,
        load_first=application_list.load_first,
        count=counts.total if counts and lists_active else None,
    )
    page = ListVisit(paged_list, request.GET, request.membership).load_page()
    for application in page:
        application.job = application_list.job
    return page


def _render_rows(
    rows: Iterable[ApplicationRow], *, selectable: bool, shows_status: bool
) -> SafeString:
    html = (render_row(row, selectable=selectable, shows_status=shows_status) for row in rows)
    return mark_safe("".join(html))  # noqa: S308 - of escaped parts


def _encode_list_query(
    request: MemberRequest, application_list: ApplicationList, visit_params: Mapping[str, str]
) -> str:
    if request.GET.get("application"):
        return encode_list_params(request.GET)
    filters = application_list.filters
    is_default = filters.is_default(application_list.default_status)
    return urlencode([*(() if is_default else filters.params), *visit_params.items()])


def _list_batch_options(application_list: ApplicationList) -> list[ActionOption]:
    if not application_list.job.is_open:
        return []
    rights = application_list.rights
    kinds = preview.KINDS_BY_STATUS.get(application_list.filters.status, ())
    return [
        ActionOption(ACTION_HANDLERS[kind], rights.why_unavailable(ACTION_HANDLERS[kind].feature))
        for kind in kinds
    ]


def _count_by_status(application_list: ApplicationList) -> list[tuple[str, int]]:
    counts = application_list.visible.order_by("status").values_list("status")
    return list(counts.annotate(Count("pk")))
