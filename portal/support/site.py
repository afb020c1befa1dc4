"""The admin site that customer success works in."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest


class SupportSite(AdminSite):
    site_title = "Inbound Talent"
    site_header = "Inbound Talent · Customer success"
    index_title = "Customers at a glance"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every admin page knows; staff read on each of them when no worker is heard."""
        from portal.connections import workers  # this file is read before the apps are ready

        context = super().each_context(request)
        return {**context, "workers": workers.look() if context["has_permission"] else None}


class SupportAdminConfig(AdminConfig):
    default_site = "portal.support.site.SupportSite"
