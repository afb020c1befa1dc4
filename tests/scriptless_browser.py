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
    options: set[tuple[str, str]] = field(default_factory=set)


class _PageParser(HTMLParser):
    """Finds the forms of a page, with what is ticked and typed, and what their buttons say."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self._forms_by_id: dict[str, Form] = {}
        self._current_form: Form | None = None
        self._text_parts: list[str] | None = None
        self._attributes: dict[str, str] = {}
        self._select_name = ""
        self._selects_many = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._current_form = Form(attributes.get("action", ""), attributes.get("method", "get"))
            self.forms.append(self._current_form)
            self._forms_by_id[attributes.get("id", "")] = self._current_form
        elif tag in {"button", "a", "textarea"}:
            self._text_parts, self._attributes = [], attributes
        elif tag == "input" and self._current_form and attributes.get("name"):
            self._add_input(self._current_form, attributes)
        elif tag == "select":
            self._select_name, self._selects_many = attributes["name"], "multiple" in attributes
        elif tag == "option" and self._current_form:
            self._add_option(self._current_form, attributes)

    def _add_option(self, form: Form, attributes: dict[str, str]) -> None:
        name, value = self._select_name, attributes["value"]
        form.options.add((name, value))
        if self._selects_many:
            if "selected" in attributes:
                form.fields.setdefault(name, []).append(value)
        elif "selected" in attributes or name not in form.fields:
            form.fields[name] = [value]

    def _add_input(self, form: Form, attributes: dict[str, str]) -> None:
        name, value = (
            attributes["name"],
            attributes.get("value", "on" if attributes.get("type") == "checkbox" else ""),
        )
        value = _sanitize_value(attributes.get("type", "text"), value)
        form.options.add((name, value))
        if attributes.get("type") not in {"checkbox", "radio"} or "checked" in attributes:
            form.fields.setdefault(name, []).append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._current_form = None
        elif tag == "textarea" and self._current_form:
            text = "".join(self._text_parts or ()).removeprefix("\n")
            self._current_form.fields[self._attributes["name"]] = [_post_line_breaks(text)]
            self._current_form.options.add((self._attributes["name"], ""))
            self._text_parts = None
        elif tag in {"button", "a"} and self._text_parts is not None:
            text = " ".join("".join(self._text_parts).split())
            if tag == "a":
                self.links[text] = self._attributes.get("href", "")
            else:
                self._add_button(self._attributes.get("aria-label", text))
            self._text_parts = None

    def _add_button(self, name: str) -> None:
        """A button belongs to the form around it, or to the one it names."""
        form_id = self._attributes.get("form")
        form = self._forms_by_id[form_id] if form_id else self._current_form
        is_submit = self._attributes.get("type", "submit") == "submit"
        if form and is_submit and "disabled" not in self._attributes:
            form.buttons.append((name, self._attributes))

    def handle_data(self, data: str) -> None:
        if self._text_parts is not None:
            self._text_parts.append(data)


def _sanitize_value(input_type: str, value: str) -> str:
    """Browsers drop what does not fit an input's type."""
    if input_type == "number":
        return value if re.fullmatch(r"-?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?", value) else ""
    if input_type == "date":
        return value if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else ""
    if input_type == "hidden":
        return _post_line_breaks(value)
    return value.replace("\r", "").replace("\n", "")


def _post_line_breaks(text: str) -> str:
    return re.sub(r"\r\n?|\n", "\r\n", text)


class ScriptlessBrowser:
    """Somebody at a browser without scripts. `page` is what they see."""

    def __init__(self, member: Membership | None = None) -> None:
        self.client = Client(enforce_csrf_checks=True)
        if member is not None:
            self.client.force_login(member.user)
        self.path = self.page = ""

    def open_path(self, path: str) -> None:
        """Type an address, or follow a link to it."""
        self._load_response(self.client.get(path, follow=True), path)

    def follow_link(self, text: str) -> None:
        """Click on the link that says this."""
        self.open_path(urljoin(self.path, self._parse_page().links[text]))

    def press_button(self, label: str, **values: str | list[str]) -> None:
        """Fill in the form that has this button, and press it."""
        form, button = next(
            (form, attributes)
            for form in self._parse_page().forms
            for text, attributes in form.buttons
            if re.fullmatch(label, text)
        )
        data: dict[str, str | list[str]] = dict(form.fields)
        for name, value in values.items():
            assert name in {field_name for field_name, _ in form.options}, f"no field {name}"
            data[name] = value
        if button.get("name"):
            data[button["name"]] = button.get("value", "")
        action = urljoin(self.path, button.get("formaction") or form.action or self.path)
        send = self.client.post if form.method == "post" else self.client.get
        self._load_response(send(action, data, follow=True), action)

    def _parse_page(self) -> _PageParser:
        parser = _PageParser()
        parser.feed(self.page)
        return parser

    def _load_response(self, response, path: str) -> None:  # type: ignore[no-untyped-def]
        assert response.status_code in {200, 422}, f"{path}: {response.status_code}"
        self.path = response.redirect_chain[-1][0] if response.redirect_chain else path
        self.page = response.content.decode()
