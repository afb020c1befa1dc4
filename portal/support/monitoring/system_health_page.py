from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.support.monitoring import system_health

VIEW_PERMISSION = "support.view_system_health"


def system_health_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "System health",
        **system_health.build_system_health(),
    }
    return TemplateResponse(request, "admin/support/system_health.html", context)
