from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.support.monitoring import runbook

VIEW_PERMISSION = "issues.view_issue"


def runbook_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "Runbook",
        "sections": runbook.load_sections(),
    }
    return TemplateResponse(request, "admin/support/runbook.html", context)
