from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from portal.core.tenancy.scope import get_scope, iterate_in_scope, start_without_scope


class OrganizationScopeMiddleware:
    """Each request starts without a scope; `portal.accounts.access` enters the member's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with start_without_scope():
            response = self.get_response(request)
            if isinstance(response, StreamingHttpResponse):
                # Its rows are read later, outside the request.
                response.streaming_content = iterate_in_scope(
                    cast("Iterator[bytes]", response.streaming_content), get_scope()
                )
            return response
