"""Staff see, sort, search and act through what an admin declares, and through nothing else."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError, transaction
from django.db.models import Field
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from portal.support.access.autocomplete import UsableValueSelect
from portal.support.access.filter_values import is_usable_value, list_unusable_filters
from portal.support.access.lookups import DeclaredLookupsAdmin

UNUSABLE_FILTER_MESSAGE = "This list can't be filtered that way. It's shown without filters."
UNUSABLE_SELECTION_MESSAGE = "These rows can't be selected. Nothing was changed."


class DeclaredSortingMixin:
    """Ignores `?o=` for columns that are not sortable; Django only omits their links."""

    def get_ordering_field(self, field_name: Any) -> Any:
        changelist: Any = self
        if field_name not in changelist.sortable_by:
            return None
        return super().get_ordering_field(field_name)  # type: ignore[misc]


class AllowListAdmin(DeclaredLookupsAdmin):
    view_on_site = False  # its address tells which rows exist

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        changelist = super().get_changelist(request, **kwargs)
        return type(changelist.__name__, (DeclaredSortingMixin, changelist), {})

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Columns in `sortable_by`; without it, methods that declare their ordering."""
        if self.sortable_by is not None:
            return self.sortable_by
        return [name for name in self.get_list_display(request) if self._declares_ordering(name)]

    def _declares_ordering(self, name: Any) -> bool:
        return isinstance(name, str) and hasattr(getattr(self, name, None), "admin_order_field")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if "widget" not in kwargs and db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = UsableValueSelect(
                db_field, self.admin_site, using=kwargs.get("using")
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        return to_field == self.opts.pk.name

    def get_actions(self, request: HttpRequest) -> Any:
        """Actions that name no permission change rows."""
        actions: dict[str, Any] = {**super().get_actions(request)}
        return {
            name: action
            for name, action in actions.items()
            if hasattr(action[0], "allowed_permissions") or self.has_change_permission(request)
        }

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Related rows are counted, since staff may not see what they are called."""
        _, counts, missing, protected = super().get_deleted_objects(objs, request)
        protected_label = [f"{len(protected)} related rows"] if protected else []
        return [str(row) for row in objs], counts, missing, protected_label

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self._delete_audited(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for obj in queryset:
            self._delete_audited(request, obj)

    def _delete_audited(self, request: HttpRequest, obj: Any) -> None:
        from portal.support.admin import audited_changes  # imported before apps are ready

        deletion = audited_changes.describe_deletion(obj)
        super().delete_model(request, obj)
        if obj.pk is None:  # some admins keep the row
            audited_changes.record_deletion(request, deletion)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial = super().get_changeform_initial_data(request)
        return {
            name: value
            for name, value in initial.items()
            if self._is_usable_initial(request, name, value)
        }

    def _is_usable_initial(self, request: HttpRequest, name: str, value: Any) -> bool:
        try:
            field: Any = self.opts.get_field(name)
        except FieldDoesNotExist:
            return False
        values = value if isinstance(value, list) else [value]
        if not field.is_relation:
            return isinstance(field, Field) and all(is_usable_value(field, v) for v in values)
        related_admin = self.admin_site._registry.get(field.related_model)
        may_view = related_admin is not None and related_admin.has_view_permission(request)
        return may_view and all(is_usable_value(field.target_field, v) for v in values)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        if ERROR_FLAG in request.GET:
            return redirect(request.path)
        if request.method == "POST" and not self._is_usable_selection(request):
            return self._refuse_selection(request)
        return super().changelist_view(request, extra_context)

    def _is_usable_selection(self, request: HttpRequest) -> bool:
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        return all(is_usable_value(self.opts.pk, value) for value in selected)

    def _refuse_selection(self, request: HttpRequest) -> HttpResponseBase:
        self.message_user(request, UNUSABLE_SELECTION_MESSAGE, messages.WARNING)
        return redirect(request.get_full_path())

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Django redirects to the list without filters after IncorrectLookupParameters."""
        try:
            changelist = self._build_changelist(request)
        except (IncorrectLookupParameters, ValidationError, ValueError, OverflowError, DataError):
            self.message_user(request, UNUSABLE_FILTER_MESSAGE, messages.WARNING)
            raise IncorrectLookupParameters from None
        return changelist

    def _build_changelist(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        if list_unusable_filters(changelist.filter_specs):
            raise IncorrectLookupParameters
        return changelist


def require_allow_lists(admin_class: type[ModelAdmin[Any]]) -> type[ModelAdmin[Any]]:
    """Return an admin class that goes by its declarations; for third-party admins as well."""
    if issubclass(admin_class, AllowListAdmin):
        return admin_class
    namespace = {"__module__": admin_class.__module__, "__doc__": admin_class.__doc__}
    return type(admin_class.__name__, (AllowListAdmin, admin_class), namespace)
