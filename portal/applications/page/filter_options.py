"""The filters that make sense for a requisition's applications, with their options."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from portal.applications.actions.action_context import ActionContext
from portal.applications.custom_field_values import SELECT_TYPES
from portal.applications.page.application_list import ApplicationList
from portal.applications.page.filters import (
    DUE_LABELS,
    MIN_DAYS_OPTIONS,
    SOURCE_LABEL,
    Answer,
    ApplicationFilters,
    format_answer,
)
from portal.jobs.job_list.filter_options import render_options
from portal.sync.models import CustomField, Stage

MAX_SOURCES = 200
# Custom fields and answers are looked for in the latest applications only.
MAX_SAMPLED = 1000
MAX_ANSWERS = 12  # a question with more is not one to choose from
MAX_ANSWER_LENGTH = 80
MAX_QUESTIONS = 20
_YES_NO = {"yes", "no"}


@dataclass(frozen=True)
class FilterSelect:
    id: str
    name: str  # of the parameter
    label: str
    any: str  # what no choice is called
    options: SafeString


def build_filter_selects(
    application_list: ApplicationList, action_context: ActionContext
) -> list[FilterSelect]:
    """Only filters by which these applications differ, or that are set."""
    filters = application_list.filters
    selects = [_build_stage_select(filters, action_context.stages)]
    if "stage_history" not in application_list.rights.features.unavailable:
        selects.append(
            _build_select(
                "days", "In stage at least", "Any time", MIN_DAYS_OPTIONS.items(), filters.min_days
            )
        )
    if filters.due or application_list.visible.filter(needs_decision=True).exists():
        selects.append(_build_select("due", "Answer", "Any time", DUE_LABELS.items(), filters.due))
    selects.append(_build_source_select(application_list))
    customs, answers = _sample_values(application_list)
    if "custom_fields" not in application_list.rights.features.unavailable:
        selects += _build_custom_selects(application_list, customs)
    selects += _build_answer_selects(filters, find_answer_options(answers))
    return [select for select in selects if select.options]


def list_offered_answers(application_list: ApplicationList) -> set[Answer]:
    _, answers = _sample_values(application_list)
    return {
        (question, answer)
        for question, options in find_answer_options(answers).items()
        for answer in options
    }


def find_answer_options(answers: Iterable[Sequence[Mapping[str, Any]]]) -> dict[str, list[str]]:
    """Answers by question, of questions that have few answers which many gave.

    Greenhouse doesn't say which questions offer choices.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for form in answers:
        for entry in form:
            if (question := entry.get("question")) and (answer := entry.get("answer")):
                counts[question][answer] += 1
    return {
        question: sorted(answer_counts)
        for question, answer_counts in list(counts.items())
        if _is_choice(answer_counts)
    }


def _is_choice(answer_counts: Counter[str]) -> bool:
    if {answer.casefold() for answer in answer_counts} <= _YES_NO:
        return True
    is_shared = answer_counts.total() >= 2 * len(answer_counts)
    return (
        is_shared and 2 <= len(answer_counts) <= MAX_ANSWERS and all(map(_is_short, answer_counts))
    )


def _is_short(answer: str) -> bool:
    return len(answer) <= MAX_ANSWER_LENGTH and "\n" not in answer and "://" not in answer


def _sample_values(
    application_list: ApplicationList,
) -> tuple[list[Mapping[str, Any]], list[Sequence[Mapping[str, Any]]]]:
    latest = application_list.visible.order_by("-pk").values_list("custom", "answers")
    rows = list(latest[:MAX_SAMPLED])
    return [custom for custom, _ in rows], [answers for _, answers in rows]


def _build_select(
    name: str,
    label: str,
    any_label: str,
    pairs: Iterable[tuple[object, str]],
    chosen: object,
    *,
    id_suffix: str = "",
) -> FilterSelect:
    return FilterSelect(f"{name}{id_suffix}", name, label, any_label, render_options(pairs, chosen))


def _build_stage_select(filters: ApplicationFilters, stages: Iterable[Stage]) -> FilterSelect:
    pairs = [(stage.pk, stage.name) for stage in stages]
    return _build_select("stage", "Stage", "Any stage", pairs, filters.stage)


def _build_source_select(application_list: ApplicationList) -> FilterSelect:
    chosen = application_list.filters.source
    labels = application_list.visible.annotate(label=SOURCE_LABEL).exclude(label="")
    names = labels.order_by("label").values_list("label", flat=True).distinct()[:MAX_SOURCES]
    options = _with_chosen([(name, name) for name in names], (chosen, chosen) if chosen else None)
    return _build_select("source", "Source", "Any source", options, chosen)


def _build_custom_selects(
    application_list: ApplicationList, customs: Iterable[Mapping[str, Any]]
) -> list[FilterSelect]:
    chosen_options = dict(application_list.filters.custom)
    fields = CustomField.objects.filter_visible(application_list.job.connection_id)
    used_values = _list_used_values(customs)
    selects = []
    for field in fields.filter(type__in=SELECT_TYPES):
        chosen = chosen_options.get(field.pk)
        names = used_values.get(field.key, set())
        pairs = _list_used_options(field, names, chosen)
        selects.append(
            _build_select(
                "custom",
                field.name,
                "Any",
                [(f"{field.pk}-{option}", name) for option, name in pairs],
                f"{field.pk}-{chosen}",
                id_suffix=f"-{field.pk}",
            )
        )
    return selects


def _list_used_values(customs: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    used_values: dict[str, set[str]] = defaultdict(set)
    for custom in customs:
        for key, value in custom.items():
            values = value if isinstance(value, list) else [value]
            used_values[key].update(v for v in values if isinstance(v, str))
    return used_values


def _list_used_options(
    field: CustomField, used_names: set[str], chosen: int | None
) -> list[tuple[int, str]]:
    """Once per name: Greenhouse's answer doesn't say which of several was selected."""
    options: dict[str, int] = {}
    for option_id, name in field.options:
        if option_id == chosen:
            options[name] = option_id
        elif name in used_names:
            options.setdefault(name, option_id)
    return [(option_id, name) for name, option_id in options.items()]


def _build_answer_selects(
    filters: ApplicationFilters, options_by_question: Mapping[str, list[str]]
) -> list[FilterSelect]:
    chosen_answers = dict(filters.answers)
    questions = [*chosen_answers, *(q for q in options_by_question if q not in chosen_answers)]
    selects = []
    for number, question in enumerate(questions[:MAX_QUESTIONS]):
        chosen = chosen_answers.get(question, "")
        pairs = [(format_answer((question, a)), a) for a in options_by_question.get(question, ())]
        chosen_pair = (format_answer((question, chosen)), chosen) if chosen else None
        selects.append(
            _build_select(
                "answer",
                question,
                "Any answer",
                _with_chosen(pairs, chosen_pair),
                chosen_pair[0] if chosen_pair else "",
                id_suffix=f"-{number}",
            )
        )
    return selects


def _with_chosen(
    pairs: list[tuple[str, str]], chosen: tuple[str, str] | None
) -> list[tuple[str, str]]:
    """A chosen option stays in the select, whether or not it is still offered."""
    return pairs if chosen is None or chosen in pairs else [chosen, *pairs]
