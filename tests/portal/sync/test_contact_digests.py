"""What two candidates share is found without storing it."""

from __future__ import annotations

import pytest
from django.test import override_settings

from integrations.ats.types import Candidate as AtsCandidate
from portal.sync.records.contact_digests import (
    build_contact_digests,
    get_contact_hasher,
    normalize_linkedin,
    normalize_phone,
)


def _build(**contacts: tuple[str, ...]) -> AtsCandidate:
    return AtsCandidate(id=1, first_name="Ada", last_name="Park", **contacts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phone", "digits"),
    [
        ("+1 (415) 555-0100", "14155550100"),
        ("0014155550100", "14155550100"),
        ("+49 (0)30 123456", "4930123456"),
        ("415.555.0100 ext. 7", "4155550100"),
        ("415-555-0100 x7", "4155550100"),
        ("415-555-0100;ext=7", "4155550100"),
        ("415-555-0100 #7", "4155550100"),
        ("(0) 30 123456", "030123456"),
        ("555 0100", "5550100"),
        ("555 010", ""),
        ("٤١٥٥٥٥٠١٠٠", ""),  # digits of another script
        ("12345", ""),
        ("000 000 0000", ""),
        ("call me", ""),
    ],
)
def test_phone_is_normalized(phone: str, digits: str) -> None:
    assert normalize_phone(phone) == digits


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("https://www.linkedin.com/in/Ada-Park/", "ada-park"),
        ("linkedin.com/in/ada-park?trk=x", "ada-park"),
        ("https://de.linkedin.com/in/ada%2Dpark/details", "ada-park"),
        ("HTTPS://LinkedIn.com/IN/Ada-Park", "ada-park"),
        ("https://example.com/linkedin.com/in/ada-park", ""),
        ("https://linkedin.com.evil.example/in/ada-park", ""),
        ("https://notlinkedin.com/in/ada-park", ""),
        ("https://www.linkedin.com/company/acme", ""),
        ("https://[broken/in/ada", ""),
    ],
)
def test_linkedin_is_normalized(link: str, name: str) -> None:
    assert normalize_linkedin(link) == name


def _digest(organization_id: int, candidate: AtsCandidate) -> list[str]:
    return build_contact_digests(get_contact_hasher(organization_id), candidate)


def test_equal_contacts_have_equal_digests() -> None:
    first = _build(emails=(" Ada@Acme.example ",), phones=("+1 415 555 0100",))
    second = _build(emails=("ada@acme.example",), phones=("0014155550100",))
    assert _digest(1, first) == _digest(1, second)


def test_look_alikes_stay_apart() -> None:
    """`casefold` would turn ſ into s and match another person's address."""
    long_s, plain_s = (
        _build(emails=(email,)) for email in ("ſam@acme.example", "sam@acme.example")
    )
    assert _digest(1, long_s) != _digest(1, plain_s)


def test_digests_are_keyed_per_purpose() -> None:
    candidate = _build(emails=("ada@acme.example",), phones=("4155550100",))
    digests = _digest(1, candidate)
    assert not set(digests) & set(_digest(2, candidate))
    with override_settings(FIELD_ENCRYPTION_KEY=["another-key"]):
        assert not set(digests) & set(_digest(1, candidate))
    with override_settings(FIELD_ENCRYPTION_KEY=["newest", "older"]):
        of_both = _digest(1, candidate)
    with override_settings(FIELD_ENCRYPTION_KEY=["newest"]):
        assert _digest(1, candidate) == of_both
    same_text = _digest(1, _build(links=("linkedin.com/in/ada@acme.example",)))
    assert not {d.partition(":")[2] for d in digests} & {d.partition(":")[2] for d in same_text}
    assert not any("ada" in digest or "415555" in digest for digest in digests)


def test_number_of_digests_is_limited() -> None:
    emails = tuple(f"ada{number}@acme.example" for number in range(40))
    digests = _digest(1, _build(emails=emails))
    assert len(digests) == 30
    assert digests == sorted(set(digests))


def test_what_is_no_address_is_left_out() -> None:
    contacts = {"emails": ("none",), "phones": ("call me",), "links": ("https://acme.example",)}
    assert _digest(1, _build(**contacts)) == []
