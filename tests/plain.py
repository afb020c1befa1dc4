"""A browser without scripts: pages are read, links followed, forms filled in as they stand.

Cross-site protection is on, so a form without its token is refused here as it would be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

from django.test import Client

from portal.accounts.models import Membership


@dataclass
class Form:
    """A form as the page holds it. `fields` are the values that would be sent now."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    offered: set[tuple[str, str]] = field(default_factory=set)


class _Forms(HTMLParser):
    """Finds the forms of a page, with what is ticked and typed, and what their buttons say."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self._open: Form | None = None
        self._words: list[str] | None = None
        self._sent: dict[str, str] = {}
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(of.get("action", ""), of.get("method", "get"))
            self.forms.append(self._open)
        elif tag in {"button", "a"}:
            self._words, self._sent = [], of
        elif tag == "input" and self._open and of.get("name"):
            self._take(self._open, of)
        elif tag == "select":
            self._select = of["name"]
        elif tag == "option" and self._open:
            self._open.offered.add((self._select, of["value"]))
            if "selected" in of or self._select not in self._open.fields:
                self._open.fields[self._select] = [of["value"]]

    def _take(self, form: Form, of: dict[str, str]) -> None:
        name, value = of["name"], of.get("value", "on" if of.get("type") == "checkbox" else "")
        form.offered.add((name, value))
        if of.get("type") not in {"checkbox", "radio"} or "checked" in of:
            form.fields.setdefault(name, []).append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag in {"button", "a"} and self._words is not None:
            words = " ".join("".join(self._words).split())
            if tag == "a":
                self.links[words] = self._sent.get("href", "")
            elif self._open and self._sent.get("type") == "submit" and "disabled" not in self._sent:
                self._open.buttons.append((words, self._sent))
            self._words = None

    def handle_data(self, data: str) -> None:
        if self._words is not None:
            self._words.append(data)


class Plain:
    """Somebody at a browser without scripts. `page` is what they see."""

    def __init__(self, member: Membership | None = None) -> None:
        self.client = Client(enforce_csrf_checks=True)
        if member is not None:
            self.client.force_login(member.user)
        self.path = self.page = ""

    def opens(self, path: str) -> None:
        """Type an address, or follow a link to it."""
        self._shown(self.client.get(path, follow=True), path)

    def follows(self, words: str) -> None:
        """Click on the link that says this."""
        self.opens(urljoin(self.path, self._read().links[words]))

    def presses(self, words: str, **values: str | list[str]) -> None:
        """Fill in the form that has this button, and press it."""
        form, button = next(
            (form, sent)
            for form in self._read().forms
            for said, sent in form.buttons
            if re.fullmatch(words, said)
        )
        data: dict[str, str | list[str]] = dict(form.fields)
        for name, value in values.items():
            assert name in {known for known, _ in form.offered}, f"no field {name}"
            data[name] = value
        if button.get("name"):
            data[button["name"]] = button.get("value", "")
        action = urljoin(self.path, button.get("formaction") or form.action or self.path)
        send = self.client.post if form.method == "post" else self.client.get
        self._shown(send(action, data, follow=True), action)

    def _read(self) -> _Forms:
        found = _Forms()
        found.feed(self.page)
        return found

    def _shown(self, answer, path: str) -> None:  # type: ignore[no-untyped-def]
        assert answer.status_code in {200, 422}, f"{path}: {answer.status_code}"
        self.path = answer.redirect_chain[-1][0] if answer.redirect_chain else path
        self.page = answer.content.decode()
