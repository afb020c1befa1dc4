from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

WsgiApplication = Callable[[dict[str, Any], Any], Iterable[bytes]]
_OTHER_CHARSET = re.compile(r";\s*charset=(?!\"?utf-?8\"?\s*(?:;|$))[^;]*", re.IGNORECASE)


def read_as_utf8(application: WsgiApplication) -> WsgiApplication:
    """Drop other charsets from a request's content type: Django raises for some, such as "hex",
    while it builds the request, outside of everything that answers errors.
    """

    def call_application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if content_type := environ.get("CONTENT_TYPE"):
            environ["CONTENT_TYPE"] = _OTHER_CHARSET.sub("", content_type)
        return application(environ, start_response)

    return call_application
