from __future__ import annotations

from functools import wraps
from typing import Any

from csp.decorators import csp_update
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.accounts.access import View
from portal.connections.oauth import partner_app


def allow_greenhouse_form_action(view: View) -> View:
    """Let forms redirect to Greenhouse: browsers apply `form-action` to redirects, too."""

    @wraps(view)
    def wrapped_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not partner_app.is_configured():
            return view(request, *args, **kwargs)
        relaxed_view = csp_update({"form-action": [partner_app.get_authorization_origin()]})(view)
        return relaxed_view(request, *args, **kwargs)

    return wrapped_view
