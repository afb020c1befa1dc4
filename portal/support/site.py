from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path

from portal.audit.atomic_actions import audited_action
from portal.core.tenancy.scope import enter_all_organizations
from portal.support.access.allow_lists import require_allow_lists
from portal.support.access.autocomplete import DeclaredAutocompleteView

_RECORD_GROUPS = (
    ("Customers and people", ("accounts", "account", "signin", "auth")),
    ("Connection and sync", ("connections", "sync")),
    ("Webhooks", ("webhooks",)),
    ("Issues and notifications", ("issues", "notifications")),
    ("Activity", ("applications", "audit", "support")),
    ("Background tasks", ("core", "django_q")),
)


class SupportSite(AdminSite):
    site_title = "Inbound Talent"
    site_header = "Inbound Talent · Customer success"
    index_title = "Today"
    enable_nav_sidebar = False  # the customer list needs the width

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register models; every admin, also a third party's, goes by its declarations."""
        admin_class = require_allow_lists(admin_class or ModelAdmin)
        super().register(model_or_iterable, admin_class, **options)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the worker status, so that staff see on every page when no worker is running."""
        # Imported before apps are ready.
        from portal.connections import worker_alerts
        from portal.support.access.roles import can_create_customers

        context = super().each_context(request)
        return {
            **context,
            "workers": worker_alerts.check_workers() if context["has_permission"] else None,
            "may_create_customers": can_create_customers(request),
        }

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        audited_view = audited_action(view)

        @wraps(view)
        def view_all_organizations(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            # Not a block: templates are rendered after the view.
            enter_all_organizations("staff see every customer")
            return audited_view(request, *args, **kwargs)

        return super().admin_view(view_all_organizations, cacheable)

    def index(self, request: HttpRequest, extra_context: Any = None) -> Any:
        from portal.support.customers import desk_page

        context = desk_page.build_context(request) if self.has_permission(request) else {}
        return super().index(request, {**(extra_context or {}), **context})

    def all_records_page(self, request: HttpRequest) -> Any:
        context = {
            **self.each_context(request),
            "title": "All records",
            "groups": _group_records(self.get_app_list(request)),
        }
        return TemplateResponse(request, "admin/support/all_records.html", context)

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return DeclaredAutocompleteView.as_view(admin_site=self)(request)

    def get_urls(self) -> list[Any]:
        from portal.support.actions import new_customer_page
        from portal.support.customers import saved_filters, setup_funnel_page
        from portal.support.impersonation import impersonation_page
        from portal.support.monitoring import runbook_page, system_health_page

        pages: list[tuple[str, Any, str]] = [
            (
                "impersonation/<int:membership_id>/",
                impersonation_page.start_impersonation,
                "start_impersonation",
            ),
            ("impersonation/stop/", impersonation_page.stop_impersonation, "stop_impersonation"),
            ("system-health/", system_health_page.system_health_page, "system_health"),
            ("records/", self.all_records_page, "all_records"),
            ("setup-funnel/", setup_funnel_page.setup_funnel_page, "setup_funnel"),
            ("new-customer/", new_customer_page.new_customer_page, "support_new_customer"),
            (
                "customers/<int:organization_id>/invitations/<int:invitation_id>/",
                new_customer_page.invitation_page,
                "support_customer_invitation",
            ),
            ("filters/", saved_filters.save_filter, "support_save_filter"),
            (
                "filters/<int:filter_id>/remove/",
                saved_filters.remove_filter,
                "support_remove_filter",
            ),
            ("runbook/", runbook_page.runbook_page, "runbook"),
        ]
        return [
            *(path(route, self.admin_view(view), name=name) for route, view, name in pages),
            # "View on site" tells which rows exist.
            *(url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"),
        ]


def _group_records(app_list: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Group models by what they are about; an unlisted app is a group of its own."""
    groups: dict[str, list[dict[str, Any]]] = {label: [] for label, _ in _RECORD_GROUPS}
    labels = {app: label for label, apps in _RECORD_GROUPS for app in apps}
    for app in app_list:
        label = labels.get(app["app_label"], str(app["name"]))
        groups.setdefault(label, []).extend(m for m in app["models"] if m["admin_url"])
    return [(label, models) for label, models in groups.items() if models]


class SupportAdminConfig(AdminConfig):
    default_site = "portal.support.site.SupportSite"
