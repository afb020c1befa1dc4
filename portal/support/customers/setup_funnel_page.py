from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.support.customers import setup_funnel
from portal.support.customers.summary_page import VIEW_PERMISSION


def setup_funnel_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "Setup funnel",
        "steps": setup_funnel.build_funnel(),
        "window_days": setup_funnel.WINDOW.days,
    }
    return TemplateResponse(request, "admin/support/setup_funnel.html", context)
