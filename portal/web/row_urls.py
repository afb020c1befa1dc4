"""URLs that are resolved once per process: those of rows, and those without arguments."""

from __future__ import annotations

from functools import cache

from django.urls import get_script_prefix, reverse
from django.utils.safestring import SafeString

_KEY_PLACEHOLDER = str(10**18)  # no row has it


def reverse_cached(view: str, pk: int) -> SafeString:
    """Like `reverse`, but resolves a view only once per process and needs no escaping."""
    return SafeString(_get_url_template(view).replace(_KEY_PLACEHOLDER, str(pk)))


def reverse_plain(view: str) -> str:
    return _reverse_below(get_script_prefix(), view)


@cache
def _reverse_below(script_prefix: str, view: str) -> str:
    return reverse(view)


@cache
def _get_url_template(view: str) -> str:
    return reverse(view, args=[_KEY_PLACEHOLDER])
