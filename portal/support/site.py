from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.urls import path

from portal.audit.atomic_actions import audited_action
from portal.core.tenancy.scope import enter_all_organizations
from portal.support.access.allow_lists import require_allow_lists
from portal.support.access.autocomplete import DeclaredAutocompleteView


class SupportSite(AdminSite):
    site_title = "Inbound Talent"
    site_header = "Inbound Talent · Customer success"
    index_title = "Customers at a glance"
    enable_nav_sidebar = False  # the customer list needs the width

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register models; every admin, also a third party's, goes by its declarations."""
        admin_class = require_allow_lists(admin_class or ModelAdmin)
        super().register(model_or_iterable, admin_class, **options)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the worker status, so that staff see on every page when no worker is running."""
        from portal.connections import worker_alerts  # imported before apps are ready

        context = super().each_context(request)
        return {
            **context,
            "workers": worker_alerts.check_workers() if context["has_permission"] else None,
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
        from portal.support.customers import overview

        may_view = self.has_permission(request) and request.user.has_perm(
            "accounts.view_organization"
        )
        today = overview.build_dashboard() if may_view else None
        return super().index(request, {**(extra_context or {}), "today": today})

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return DeclaredAutocompleteView.as_view(admin_site=self)(request)

    def get_urls(self) -> list[Any]:
        from portal.support.actions import new_customer_page
        from portal.support.impersonation import impersonation_page
        from portal.support.monitoring import runbook_page, system_health_page

        return [
            path(
                "impersonation/<int:membership_id>/",
                self.admin_view(impersonation_page.start_impersonation),
                name="start_impersonation",
            ),
            path(
                "impersonation/stop/",
                self.admin_view(impersonation_page.stop_impersonation),
                name="stop_impersonation",
            ),
            path(
                "system-health/",
                self.admin_view(system_health_page.system_health_page),
                name="system_health",
            ),
            path(
                "new-customer/",
                self.admin_view(new_customer_page.new_customer_page),
                name="support_new_customer",
            ),
            path(
                "customers/<int:organization_id>/invitations/<int:invitation_id>/",
                self.admin_view(new_customer_page.invitation_page),
                name="support_customer_invitation",
            ),
            path("runbook/", self.admin_view(runbook_page.runbook_page), name="runbook"),
            # "View on site" tells which rows exist.
            *(url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"),
        ]


class SupportAdminConfig(AdminConfig):
    default_site = "portal.support.site.SupportSite"
