"""Filters of the customer list, saved by and for one staff member."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from portal.accounts.models import User
from portal.core.names import form_fields
from portal.support.customers.summary_page import VIEW_PERMISSION
from portal.support.models import SavedFilter

MAX_FILTERS = 20  # per person
_LIST_PAGE = "admin:accounts_organization_changelist"
_IGNORED = {"p", "all", "e"}  # the page, and Django's own flags


class SaveFilterForm(forms.Form):
    name = form_fields.NameField(
        label="Name",
        max_length=SavedFilter._meta.get_field("name").max_length,
        error_messages={"required": "Enter a name for the filter."},
    )
    query = forms.CharField(
        max_length=SavedFilter._meta.get_field("query").max_length,
        error_messages={
            "required": "Filter or search the list first.",
            "max_length": "This search is too long to save.",
        },
    )

    def clean_query(self) -> str:
        query = normalize_query(QueryDict(self.cleaned_data["query"]))
        if not query:
            raise forms.ValidationError("Filter or search the list first.")
        return query


def normalize_query(params: QueryDict) -> str:
    """Return the filters in one order, without the page."""
    pairs = sorted((n, v) for n, values in params.lists() for v in values if n not in _IGNORED)
    query = QueryDict(mutable=True)
    for name, value in pairs:
        if value:
            query.appendlist(name, value)
    return query.urlencode()


def build_context(request: HttpRequest) -> dict[str, Any]:
    query = normalize_query(request.GET)
    saved = list(SavedFilter.objects.filter(owner=cast(User, request.user)))
    current = next((row for row in saved if row.query == query), None)
    return {"saved_filters": saved, "current_query": query, "current_filter": current}


@require_POST
def save_filter(request: HttpRequest) -> HttpResponse:
    form = SaveFilterForm(request.POST)
    owner = _get_owner(request)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, str(errors[0]))
        return _redirect_to_list(normalize_query(QueryDict(request.POST.get("query", "")[:500])))
    name, query = form.cleaned_data["name"], form.cleaned_data["query"]
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)
        others = SavedFilter.objects.filter(owner=owner).exclude(name=name)
        if others.count() >= MAX_FILTERS:
            messages.error(request, f"You have {MAX_FILTERS} saved filters. Remove one first.")
            return _redirect_to_list(query)
        SavedFilter.objects.update_or_create(owner=owner, name=name, defaults={"query": query})
    messages.success(request, f"Filter “{name}” saved.")
    return _redirect_to_list(query)


@require_POST
def remove_filter(request: HttpRequest, filter_id: int) -> HttpResponse:
    row = SavedFilter.objects.filter(owner=_get_owner(request), pk=filter_id).first()
    if row is not None:
        row.delete()
        messages.success(request, f"Filter “{row.name}” removed.")
    return _redirect_to_list(row.query if row else "")


def _get_owner(request: HttpRequest) -> User:
    if not request.user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied
    return cast(User, request.user)


def _redirect_to_list(query: str) -> HttpResponse:
    return redirect(f"{reverse(_LIST_PAGE)}?{query}" if query else reverse(_LIST_PAGE))
