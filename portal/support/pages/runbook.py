"""What each alarm means, for whoever sees one."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.support import runbook

MAY = "issues.view_issue"


def page(request: HttpRequest) -> HttpResponse:
    """The whole runbook; an alarm leads to its own place in it."""
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "Each alarm, and what to do",
        "sections": runbook.sections(),
    }
    return TemplateResponse(request, "admin/support/runbook.html", context)
