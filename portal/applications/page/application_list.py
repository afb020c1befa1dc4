"""A requisition's applications as the page's URL asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from integrations.ats.types import ApplicationStatus
from portal.applications.page.filters import (
    ACTIVE,
    DEFAULT_SORT,
    DUE_UNKNOWN,
    NEEDS_DECISION,
    SORT_ORDERS,
    SOURCE_LABEL,
    ApplicationFilters,
    parse_filters,
)
from portal.applications.page.json_conditions import HasAnswer, HasCustomValue
from portal.applications.page.labels import may_show_names
from portal.core.database.compiled_queries import compile_once
from portal.core.names.search_keys import match_keys
from portal.entitlements.rules import Rights, applications_on_jobs, public_applications
from portal.jobs.answers.promise import get_promise
from portal.jobs.job_list.filters import DUE_OPTIONS
from portal.sync.models import Application, CustomField, Job
from portal.web.id_parsing import parse_id
from portal.web.time_zones import find_start_of_day

_ROW_FIELDS = (
    *("connection", "remote_id", "job", "stage", "stage_name", "stage_remote_id"),
    *("stage_entry_id", "entered_stage_at", "status", "needs_decision", "decision_needed_at"),
    *("prospect", "rejection_reason_remote_id", "applied_at", "last_activity_at", "source_name"),
    *("candidate__remote_id", "candidate__first_name", "candidate__last_name"),
    *("candidate__preferred_name", "candidate__title", "candidate__company"),
    *("candidate__can_email", "candidate__time_zone", "source__name"),
)
SEARCH_KEYS = ("candidate__search_name", "candidate__search_details")


@dataclass(frozen=True)
class _PlainList:
    """What a list with plain filters depends on, apart from the requisition."""

    unavailable: frozenset[str]
    status: str
    order_key: str

    def find_matching(self, job_id: int) -> QuerySet[Application]:
        applications = public_applications(self.unavailable).filter(job=job_id)
        ordering = SORT_ORDERS[self.order_key].get_ordering()
        return _filter_by_status(applications, self.status).order_by(*ordering)


@dataclass(frozen=True)
class ApplicationList:
    """`job` must come from `visible_jobs` for the same rights."""

    job: Job
    rights: Rights
    filters: ApplicationFilters

    @cached_property
    def visible(self) -> QuerySet[Application]:
        return applications_on_jobs([self.job.pk], self.rights)

    @cached_property
    def matching(self) -> QuerySet[Application]:
        applications = _filter_applications(self.visible, self.filters, self.job)
        if self.filters.due:
            organization_id = self.rights.member.organization_id
            applications = applications.filter(_build_due_condition(self.filters, organization_id))
        return with_row_details(applications).order_by(*self.filters.order.get_ordering())

    @property
    def has_plain_filters(self) -> bool:
        """Whether only its status and order are chosen, as in most visits."""
        filters = self.filters
        return filters == ApplicationFilters(status=filters.status, order=filters.order)

    def load_first(self, count: int) -> list[Application]:
        """The first of `matching`, with the fields of rows."""
        if self.has_plain_filters:
            return _find_first(self.job.pk, plain_list=self._plain_list, count=count)
        return list(only_row_fields(self.matching)[:count])

    def load_first_ids(self, count: int) -> list[int]:
        if self.has_plain_filters:
            return _find_first_ids(self.job.pk, plain_list=self._plain_list, count=count)
        return list(self.matching.values_list("pk", flat=True)[:count])

    @property
    def _plain_list(self) -> _PlainList:
        unavailable = frozenset(self.rights.features.unavailable)
        return _PlainList(unavailable, self.filters.status, self.filters.order.key)

    @property
    def default_status(self) -> str:
        return get_default_status(self.job)

    @property
    def name(self) -> str:
        """Identifies the list and its filters."""
        return f"applications:{self.job.pk}:{self.filters.query}"


def build_application_list(job: Job, rights: Rights, query: QueryDict) -> ApplicationList:
    filters = parse_filters(query, get_default_status(job))
    return ApplicationList(job, rights, restrict_filters(filters, rights))


def get_default_status(job: Job) -> str:
    return ACTIVE if job.is_open else ""


def restrict_filters(filters: ApplicationFilters, rights: Rights) -> ApplicationFilters:
    """Drop filters and orders that would tell what the page itself does not show."""
    unavailable = rights.features.unavailable
    column = filters.order.key.removeprefix("-")
    hides_names, hides_days = not may_show_names(rights), "stage_history" in unavailable
    if hides_names:
        filters = replace(filters, search="")
    if hides_days:
        filters = replace(filters, min_days=None)
    if "custom_fields" in unavailable:
        filters = replace(filters, custom=())
    if (hides_names and column == "name") or (hides_days and column == "days"):
        filters = replace(filters, order=SORT_ORDERS[DEFAULT_SORT])
    return filters


def with_row_details(applications: QuerySet[Application]) -> QuerySet[Application]:
    """Rows' relations, in the list's usual order."""
    usual_order = SORT_ORDERS[DEFAULT_SORT].get_ordering()
    return applications.select_related("candidate", "stage", "job", "source").order_by(*usual_order)


def only_row_fields(applications: QuerySet[Application]) -> QuerySet[Application]:
    # The requisition is loaded already; other fields are read when asked for.
    relations = applications.select_related(None).select_related("candidate", "source")
    return relations.only(*_ROW_FIELDS)


@compile_once
def _find_first(job_id: int, *, plain_list: _PlainList, count: int) -> QuerySet[Application]:
    return only_row_fields(plain_list.find_matching(job_id))[:count]


@compile_once
def _find_first_ids(
    job_id: int, *, plain_list: _PlainList, count: int
) -> QuerySet[Application, int]:
    return plain_list.find_matching(job_id).values_list("pk", flat=True)[:count]


def find_linked_application(
    application_list: ApplicationList,
    query: QueryDict,
    page_applications: Iterable[Application],
) -> Application | None:
    """`application` names it directly; `return_to` only matters if the current page
    (`page_applications`) does not show it.
    """
    key = parse_id(query.get("application", ""))
    if key is None:
        return_key = parse_id(query.get("return_to", ""))
        key = (
            None
            if any(application.pk == return_key for application in page_applications)
            else return_key
        )
    if key is None:
        return None
    return with_row_details(application_list.visible).filter(pk=key).first()


def _filter_applications(
    applications: QuerySet[Application], filters: ApplicationFilters, job: Job
) -> QuerySet[Application]:
    applications = _filter_by_status(applications, filters.status)
    if filters.search:
        applications = applications.filter(match_keys(SEARCH_KEYS, filters.search))
    if filters.stage is not None:
        applications = applications.filter(stage_id=filters.stage)
    if filters.source:
        applications = applications.alias(label=SOURCE_LABEL).filter(label=filters.source)
    applications = applications.filter(_build_time_conditions(filters))
    for question, answer in filters.answers:
        applications = applications.filter(HasAnswer(question, answer))
    return _filter_by_custom_fields(applications, filters, job) if filters.custom else applications


def _filter_by_status(applications: QuerySet[Application], status: str) -> QuerySet[Application]:
    if status == NEEDS_DECISION:
        return applications.filter(status=ApplicationStatus.ACTIVE, needs_decision=True)
    return applications.filter(status=status) if status else applications


def _build_time_conditions(filters: ApplicationFilters) -> Q:
    conditions, zone = Q(), timezone.get_current_timezone()
    if filters.min_days:
        entered_by = timezone.now() - timedelta(days=filters.min_days)
        conditions &= Q(status=ApplicationStatus.ACTIVE, entered_stage_at__lte=entered_by)
    if filters.applied_from:
        conditions &= Q(applied_at__gte=find_start_of_day(filters.applied_from, zone))
    if filters.applied_to:
        try:
            next_day = filters.applied_to + timedelta(days=1)
        except OverflowError:
            return conditions & Q(applied_at__isnull=False)
        conditions &= Q(applied_at__lt=find_start_of_day(next_day, zone))
    return conditions


def _build_due_condition(filters: ApplicationFilters, organization_id: int) -> Q:
    if filters.due == DUE_UNKNOWN:
        is_unknown = Q(needs_decision=None) | Q(needs_decision=True, decision_needed_at=None)
        return is_unknown & Q(status=ApplicationStatus.ACTIVE)
    _, working_days = DUE_OPTIONS[filters.due]
    limit = get_promise(organization_id).find_overdue_limit(after_working_days=working_days)
    return Q(decision_needed_at__lt=limit)


def _filter_by_custom_fields(
    applications: QuerySet[Application], filters: ApplicationFilters, job: Job
) -> QuerySet[Application]:
    """An option that no longer exists matches nothing: it must not widen a selection."""
    fields = CustomField.objects.filter_visible(job.connection_id)
    fields_by_id = fields.in_bulk([field for field, _ in filters.custom])
    for field_id, option_id in filters.custom:
        field = fields_by_id.get(field_id)
        name = dict(field.options).get(option_id) if field else None
        if field is None or name is None:
            return applications.none()
        applications = applications.filter(HasCustomValue(field.key, name))
    return applications
