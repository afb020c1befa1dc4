"""Which addresses are the same."""

from __future__ import annotations

import sys

import pytest

from integrations.ats.emails import is_lookalike_email, normalize_email


def test_normalize_email_ignores_ascii_case() -> None:
    assert normalize_email(" FIONA@ACME.example\n") == "fiona@acme.example"


def test_normalize_email_maps_nothing_into_ascii() -> None:
    beyond = "".join(map(chr, range(128, sys.maxunicode + 1)))
    assert [char for char in normalize_email(beyond) if char.isascii()] == []


def test_domain_is_compared_as_punycode() -> None:
    punycode = "ina@xn--bro-hoa.example"
    for address in ("ina@büro.example", "INA@BÜRO.Example", "ina@XN--BRO-HOA.example"):
        assert normalize_email(address) == punycode
    assert normalize_email("ina@straße.example") != normalize_email("ina@strasse.example")


@pytest.mark.parametrize(
    "address",
    [
        "\u017fam@a.example", "sam@\u212aiosk.example", "\ufb01n@a.example", "\uff53am@a.example",
        "sam@a\uff0eexample", "sam@a\u3002example", "s\u00adam@a.example", "jose\u0301@a.example",
        "sam@a.example\u202e", "s\nam@a.example",
    ],
)  # fmt: skip
def test_lookalike_email_is_recognized(address: str) -> None:
    assert is_lookalike_email(address)


@pytest.mark.parametrize("address", ["fiona@ACME.example", "josé@a.example", "ina@straße.example"])
def test_plain_email_is_no_lookalike(address: str) -> None:
    assert not is_lookalike_email(address)
