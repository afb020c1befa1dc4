from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from portal.support.access.filter_values import is_usable_value


class UsableValueSelect(AutocompleteSelect):
    """Shows a form again whose value is no row's key; Django looks it up and fails."""

    def optgroups(self, name: str, value: Sequence[str], attrs: Any = None) -> Any:
        key = self.field.remote_field.model._meta.pk
        usable = [text for text in value if not text or is_usable_value(key, text)]
        return super().optgroups(name, usable, attrs)


class DeclaredAutocompleteView(AutocompleteJsonView):
    """Completes only fields in `autocomplete_fields` of forms that the user may edit.

    Django completes every foreign key of every model, whether or not a form shows it.
    """

    def process_request(self, request: HttpRequest) -> Any:
        field_name = request.GET.get("field_name", "")
        is_declared = any(
            field_name in form_admin.get_autocomplete_fields(request)
            and (form_admin.has_add_permission(*args) or form_admin.has_change_permission(request))
            for form_admin, args in self._list_form_admins(request)
        )
        if not is_declared:
            raise PermissionDenied
        return super().process_request(request)

    def _list_form_admins(self, request: HttpRequest) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """Admins and inlines whose forms edit the model, with what `has_add_permission` takes."""
        try:
            model = apps.get_model(
                request.GET.get("app_label", ""), request.GET.get("model_name", "")
            )
        except (LookupError, ValueError):
            return
        site: Any = self.admin_site
        for registered_model, model_admin in site._registry.items():
            if registered_model is model:
                yield model_admin, (request,)
            for inline in model_admin.get_inline_instances(request):
                if inline.model is model:
                    yield inline, (request, None)
