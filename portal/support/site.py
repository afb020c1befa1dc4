"""The admin site that customer success works in."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.urls import path

from portal.support.lookups import require_declared_lookups


class SupportSite(AdminSite):
    site_title = "Inbound Talent"
    site_header = "Inbound Talent · Customer success"
    index_title = "Customers at a glance"
    enable_nav_sidebar = False  # the board needs the width; the first page lists everything

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register models; every admin class, whoever wrote it, filters only as it declares."""
        admin_class = require_declared_lookups(admin_class or ModelAdmin)
        super().register(model_or_iterable, admin_class, **options)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every admin page knows; staff read on each of them when no worker is heard."""
        from portal.connections import workers  # this file is read before the apps are ready

        context = super().each_context(request)
        return {**context, "workers": workers.look() if context["has_permission"] else None}

    def index(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Today: who needs somebody first."""
        from portal.support import board

        may = self.has_permission(request) and request.user.has_perm("accounts.view_organization")
        today = board.today() if may else None
        return super().index(request, {**(extra_context or {}), "today": today})

    def get_urls(self) -> list[Any]:
        from portal.support.pages import look, machines, runbook

        return [
            path(
                "look/<int:membership_id>/",
                self.admin_view(look.begin),
                name="look_begin",
            ),
            path("look/stop/", self.admin_view(look.stop), name="look_stop"),
            path("machines/", self.admin_view(machines.overview), name="machines"),
            path("runbook/", self.admin_view(runbook.page), name="runbook"),
            *super().get_urls(),
        ]


class SupportAdminConfig(AdminConfig):
    default_site = "portal.support.site.SupportSite"
