"""A row's buttons: rendered once for rows that offer the same, and filled in for each."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from functools import lru_cache

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from portal.applications.actions.available_actions import ActionOption

# No name contains them.
_PK, _LABEL, _CLICK = (f"{name}-{secrets.token_hex(8)}" for name in ("pk", "label", "click"))
_PLACEHOLDER = re.compile(f"{_PK}|{_LABEL}|{_CLICK}")


def render_row_buttons(
    options: Iterable[ActionOption],
    pk: SafeString,
    label: SafeString,
    make_click: Callable[[], SafeString],
) -> SafeString:
    values = {_PK: pk, _LABEL: label}

    def fill_in(placeholder: re.Match[str]) -> str:
        return values.get(placeholder[0]) or make_click()

    return SafeString(_PLACEHOLDER.sub(fill_in, _render_for_anybody(tuple(options))))


@lru_cache(maxsize=256)
def _render_for_anybody(options: tuple[ActionOption, ...]) -> str:
    context = {"options": options, "pk": _PK, "label": _LABEL, "click": _CLICK}
    return render_to_string("applications/_row_buttons.html", context).strip()
