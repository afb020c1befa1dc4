"""Pages without what differs at each request, to compare two of them."""

from __future__ import annotations

import re

from django.http import HttpResponse

_VARYING = re.compile(
    r'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": ?"\w+"|data-session-seconds="\d+"'
)


def read_stable_page(response: HttpResponse) -> str:
    return _VARYING.sub("", response.content.decode())
