"""Whether this process can serve: for load balancers and the demo's launcher."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponse

from portal.accounts.access import public


@public("a load balancer asks, and learns nothing else")
def healthz(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")
