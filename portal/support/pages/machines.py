"""The operator's page."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal.support import machines

MAY = "support.operate"


def overview(request: HttpRequest) -> HttpResponse:
    """Queue, workers, and the rate budget of each busy connection."""
    if not request.user.has_perm(MAY):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "How the machines do",
        **machines.overview(),
    }
    return TemplateResponse(request, "admin/support/machines.html", context)
