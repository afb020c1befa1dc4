"""The filters of a list in words, which can be read when their stages and fields are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from portal.applications.models import ReviewSession
from portal.applications.page.filters import (
    DEFAULT_SORT,
    MIN_DAYS_OPTIONS,
    STATUS_LABELS,
    ApplicationFilters,
    parse_filters,
)
from portal.applications.page.toolbar import SORT_LABELS
from portal.sync.models import CustomField, Source, Stage

ReviewSource = ReviewSession.Source
Pairs = list[list[str]]
_REVIEW_LABELS = {ReviewSource.JOB: "this requisition"}


@dataclass(frozen=True)
class FilterNames:
    stages: Mapping[int, str]
    fields: Mapping[int, CustomField]
    sources: frozenset[str]


def load_filter_names(queries: Iterable[str]) -> FilterNames:
    """Reads only what is named: most lists have no filters but their status."""
    parsed = [parse_filters(QueryDict(query)) for query in queries if query]
    stage_ids = {filters.stage for filters in parsed if filters.stage is not None}
    field_ids = {field for filters in parsed for field, _ in filters.custom}
    stages = Stage.objects.filter(pk__in=stage_ids).values_list("pk", "name")
    # Private fields are offered to nobody, so none was on.
    fields = CustomField.objects.filter(private=False)
    labels = {filters.source for filters in parsed if filters.source}
    sources = Source.objects.filter(name__in=labels).values_list("name", flat=True)
    return FilterNames(
        dict(stages) if stage_ids else {},
        fields.in_bulk(field_ids) if field_ids else {},
        frozenset(sources) if labels else frozenset(),
    )


def describe_filters(page_state: Mapping[str, Any], names: FilterNames) -> tuple[Pairs, Pairs]:
    """Labels and values. Apart from them those that may be about one person, and go with them:
    questions and answers, and a source that Greenhouse doesn't list.
    """
    pairs: Pairs = []
    if (source := page_state.get("review", "")) in ReviewSource.values:
        pairs.append(["Review", _REVIEW_LABELS.get(source) or str(ReviewSource(source).label)])
    if not (query := page_state.get("query")):
        return pairs, []
    filters = parse_filters(QueryDict(query))
    pairs += [["Status", STATUS_LABELS[filters.status]], *_list_pairs(filters, names)]
    personal = [list(answer) for answer in filters.answers]
    if filters.source and filters.source not in names.sources:
        personal.insert(0, ["Source", filters.source])
    return pairs, personal


def _list_pairs(filters: ApplicationFilters, names: FilterNames) -> Iterable[list[str]]:
    if filters.stage is not None:
        yield ["Stage", names.stages.get(filters.stage, "no longer there")]
    if filters.source in names.sources:
        yield ["Source", filters.source]
    if filters.min_days is not None:
        yield ["In stage at least", MIN_DAYS_OPTIONS[filters.min_days]]
    if filters.applied_from:
        yield ["Applied from", filters.applied_from.isoformat()]
    if filters.applied_to:
        yield ["Applied until", filters.applied_to.isoformat()]
    for field_id, option_id in filters.custom:
        field = names.fields.get(field_id)
        if field is not None:
            yield [field.name, dict(field.options).get(option_id, "no longer there")]
    if filters.order.key != DEFAULT_SORT:
        yield ["Sorted by", SORT_LABELS[filters.order.key]]
