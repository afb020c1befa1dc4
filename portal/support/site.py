"""The admin site that customer success works in."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig


class SupportSite(AdminSite):
    site_title = "Inbound Talent"
    site_header = "Inbound Talent · Customer success"
    index_title = "Customers at a glance"


class SupportAdminConfig(AdminConfig):
    default_site = "portal.support.site.SupportSite"
