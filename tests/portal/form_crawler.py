"""The forms of a page as a browser would send them, for tests that change one field of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

_HTMX_GET = re.compile(r"""hx-get="([^"?]+)\?([^"]*)\"""")


@dataclass
class PageForm:
    action: str
    method: str
    data: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Any, ...]:
        """The same for forms that differ only in the row they are about."""
        return re.sub(r"\d+", "N", self.action), self.method, tuple(sorted(self.data))


class _FormParser(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self.forms: list[PageForm] = []
        self._current: PageForm | None = None
        self._open_field = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = values.get("action") or values.get("hx-post") or ""
            method = values.get("method", "get").lower()
            self._current = PageForm(urljoin(self._address, action), method)
            self.forms.append(self._current)
        elif self._current is not None:
            self._add_field(self._current.data, tag, values)

    def _add_field(self, data: dict[str, str], tag: str, values: dict[str, str]) -> None:
        name, value = values.get("name", ""), values.get("value", "")
        if tag == "option" and self._open_field:
            is_first = not data[self._open_field]
            if is_first or "selected" in values:
                data[self._open_field] = value
        elif not name:
            return
        elif tag in ("select", "textarea"):
            self._open_field = name
            data.setdefault(name, "")
        elif tag == "input" and ("checked" in values or values.get("type") == "hidden"):
            data[name] = value
        elif tag in ("input", "button"):
            data.setdefault(name, value)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._current = None
        if tag in ("select", "textarea"):
            self._open_field = ""


def iterate_forms(html: str, address: str) -> Iterator[PageForm]:
    parser = _FormParser(address)
    parser.feed(html)
    yield from (form for form in parser.forms if form.method in ("get", "post"))
    for path, query in _HTMX_GET.findall(html):
        pairs = (pair.partition("=") for pair in query.replace("&amp;", "&").split("&"))
        data = {name: value for name, _, value in pairs if name}
        yield PageForm(urljoin(address, path), "get", data)
