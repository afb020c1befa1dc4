"""Pages whose button ends at Greenhouse's consent page."""

from __future__ import annotations

from functools import wraps
from typing import Any

from csp.decorators import csp_update
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.accounts.access import View
from portal.connections import partner


def leads_to_greenhouse(view: View) -> View:
    """Let the page's forms end there too: browsers hold `form-action` against redirects as well."""

    @wraps(view)
    def allowed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not partner.is_on():
            return view(request, *args, **kwargs)
        led = csp_update({"form-action": [partner.origin()]})(view)
        return led(request, *args, **kwargs)

    return allowed
