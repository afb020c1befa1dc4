"""Which addresses are the same."""

from __future__ import annotations

import sys

from integrations.ats.emails import normalize_email


def test_normalize_email_ignores_ascii_case() -> None:
    assert normalize_email(" FIONA@ACME.example\n") == "fiona@acme.example"


def test_normalize_email_maps_nothing_into_ascii() -> None:
    beyond = "".join(map(chr, range(128, sys.maxunicode + 1)))
    assert [char for char in normalize_email(beyond) if char.isascii()] == []
