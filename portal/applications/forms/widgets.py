"""Inputs that show any value as it is.

Browsers blank what doesn't fit `type="date"` or `type="number"`, and drop line breaks from
`type="text"`. Such values get a text input, or a textarea.
"""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any

from django import forms

# https://html.spec.whatwg.org/#valid-floating-point-number
_HTML_NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_HTML_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class ShortTextInput(forms.TextInput):
    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        return self._choose_widget(self.format_value(value) or "").render(
            name, value, attrs, renderer
        )

    def _choose_widget(self, text: str) -> forms.Widget:
        if "\n" in text or "\r" in text:
            return forms.Textarea(attrs={"rows": 3})
        if text and not self.fits(text):
            return forms.TextInput()
        return self.build_typed_widget()

    @staticmethod
    def fits(text: str) -> bool:
        return True

    @staticmethod
    def build_typed_widget() -> forms.Widget:
        return forms.TextInput()


class NumberOrTextInput(ShortTextInput):
    @staticmethod
    def fits(text: str) -> bool:
        return bool(_HTML_NUMBER.fullmatch(text)) and math.isfinite(float(text))

    @staticmethod
    def build_typed_widget() -> forms.Widget:
        return forms.NumberInput(attrs={"step": "any"})


class DateOrTextInput(ShortTextInput):
    @staticmethod
    def fits(text: str) -> bool:
        try:
            return bool(_HTML_DATE.fullmatch(text) and date.fromisoformat(text))
        except ValueError:
            return False

    @staticmethod
    def build_typed_widget() -> forms.Widget:
        return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
