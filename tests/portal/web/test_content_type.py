"""A request's charset is no reason for a 500."""

from __future__ import annotations

from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIHandler

from portal.web.content_type import read_as_utf8


@pytest.mark.parametrize(
    "charset", ["hex", "\0", "undefined", "utf-16", '"utf-16"', "utf-8", '"UTF-8"', ""]
)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_any_charset_is_answered(db: None, kind: str, charset: str) -> None:
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/sign-in/",
        "QUERY_STRING": "next=/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": f"{kind}; charset={charset}; boundary=x",
        "CONTENT_LENGTH": "7",
        "wsgi.input": BytesIO(b"login=a"),
        "wsgi.url_scheme": "http",
    }
    read_as_utf8(WSGIHandler())(environ, lambda status, *_: statuses.append(status))
    assert statuses
    assert statuses[0] < "500"
