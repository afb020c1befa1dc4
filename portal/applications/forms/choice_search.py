"""Selects with many choices: only selected ones are rendered, others are searched for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

from django import forms
from django.db.models import Q, QuerySet
from django.forms.utils import ErrorDict
from django.forms.widgets import ChoiceWidget

from portal.core.names.search_keys import build_search_key
from portal.web.id_parsing import parse_id

MAX_RENDERED_CHOICES = 50
MAX_RESULTS = 20
MAX_QUERY_LENGTH = 100

Choice = tuple[str, str]


class ChoiceSource(Protocol):
    def is_long(self) -> bool: ...

    def list_choices(self, values: Collection[str]) -> list[Choice]: ...

    def search_choices(self, query: str, limit: int) -> list[Choice]: ...


class QuerysetSource:
    """Rows of a model choice field."""

    def __init__(self, field: Any, build_filter: Callable[[str], Q]) -> None:
        self._field, self._build_filter = field, build_filter

    def is_long(self) -> bool:
        rows: QuerySet[Any] = self._field.queryset.order_by().values("pk")
        return len(rows[: MAX_RENDERED_CHOICES + 1]) > MAX_RENDERED_CHOICES

    def list_choices(self, values: Collection[str]) -> list[Choice]:
        pks = [pk for value in values if (pk := parse_id(value)) is not None]
        return self._label_rows(self._field.queryset.filter(pk__in=pks)) if pks else []

    def search_choices(self, query: str, limit: int) -> list[Choice]:
        return self._label_rows(self._field.queryset.filter(self._build_filter(query))[:limit])

    def _label_rows(self, rows: Iterable[Any]) -> list[Choice]:
        return [(str(row.pk), self._field.label_from_instance(row)) for row in rows]


class ListSource:
    """Choices that are in memory anyway."""

    def __init__(self, choices: list[Choice]) -> None:
        self._choices = choices

    def is_long(self) -> bool:
        return len(self._choices) > MAX_RENDERED_CHOICES

    def list_choices(self, values: Collection[str]) -> list[Choice]:
        return [choice for choice in self._choices if choice[0] in values]

    def search_choices(self, query: str, limit: int) -> list[Choice]:
        text, search_words = query.casefold(), build_search_key(query).split()
        matches = []
        for value, label in self._choices:
            if text in label.casefold() or (search_words and _has_words(label, search_words)):
                matches.append((value, label))
                if len(matches) == limit:
                    break
        return matches


def _has_words(label: str, search_words: list[str]) -> bool:
    key = build_search_key(label)
    return all(word in key for word in search_words)


class _SearchedChoices(ChoiceWidget):
    """`search_url` answers with results; `query` and `results` are of a search without scripts."""

    search_url = ""
    query = ""
    results: list[Choice] = []  # noqa: RUF012
    has_searched = False
    is_truncated = False

    def __init__(self, source: ChoiceSource, first_choices: Collection[Choice] = ()) -> None:
        super().__init__()
        self.source, self.first_choices = source, list(first_choices)

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        chosen = self.source.list_choices([str(item) for item in value if item])
        offered = {**dict(self.first_choices), **dict(chosen), **dict(self.results)}
        self.choices = list(offered.items())
        return super().optgroups(name, value, attrs)

    def run_search(self, query: str) -> None:
        self.query, self.has_searched = query.strip()[:MAX_QUERY_LENGTH], True
        if self.query:
            matches = self.source.search_choices(self.query, MAX_RESULTS + 1)
            self.results, self.is_truncated = matches[:MAX_RESULTS], len(matches) > MAX_RESULTS


class SearchSelect(_SearchedChoices, forms.Select):
    pass


class SearchCheckboxes(_SearchedChoices, forms.CheckboxSelectMultiple):
    pass


class SearchableForm(forms.Form):
    """A form whose long selects are searched. Posting `find` searches instead of submitting."""

    def limit_choices(self, name: str, source: ChoiceSource, search_url: str) -> None:
        """Render only selected choices if there are many."""
        if not source.is_long():
            return
        field: Any = self.fields[name]
        is_many = isinstance(field, forms.MultipleChoiceField)
        empty = [] if is_many else _list_empty_choices(field)
        widget = (SearchCheckboxes if is_many else SearchSelect)(source, empty)
        widget.is_required = field.required
        widget.search_url = f"{search_url}&field={name}"
        field.widget = widget

    def render_removed_choices(self, name: str, removed: Collection[Choice]) -> None:
        """Without it, a browser would select something else on an error page."""
        widget = self.get_search_widget(name)
        if widget:
            widget.first_choices += removed
        else:
            plain_widget: Any = self.fields[name].widget
            plain_widget.choices = [*plain_widget.choices, *removed]

    def is_search(self) -> bool:
        return "find" in self.data

    def run_searches(self) -> None:
        """Nothing is validated, so that everything typed stays without error messages."""
        self._errors = ErrorDict()
        for name in self.fields:
            if widget := self.get_search_widget(name):
                query = self.data.get(f"search-{name}", "")
                if query.strip() or self.data.get("find") == name:
                    widget.run_search(query)

    def get_search_widget(self, name: str) -> _SearchedChoices | None:
        field = self.fields.get(name)
        widget = field.widget if field else None
        return widget if isinstance(widget, _SearchedChoices) else None


def _list_empty_choices(field: Any) -> list[Choice]:
    if isinstance(field, forms.ModelChoiceField):
        return [] if field.empty_label is None else [("", str(field.empty_label))]
    return [(value, label) for value, label in field.choices if not value]
