"""What providers claim about an address, and what each claim is worth."""

from __future__ import annotations

import pytest

from portal.signin.models import SingleSignOn
from portal.signin.sso_claims import AddressNotVerified, get_verified_email

ENTRA = {"sub": "1", "email": "Nina@acme.example", "name": "Nina"}


@pytest.mark.parametrize("verified", [True, "true", "True", " TRUE "])
def test_verified_claim_may_be_text(verified: object) -> None:
    claims = ENTRA | {"email_verified": verified}
    assert get_verified_email(claims, SingleSignOn(name="Login")) == "nina@acme.example"


def test_missing_claim_needs_operators_word() -> None:
    trusted = SingleSignOn(name="Login", addresses_verified=True)
    assert get_verified_email(ENTRA, trusted) == "nina@acme.example"
    with pytest.raises(AddressNotVerified, match="email_verified"):
        get_verified_email(ENTRA, SingleSignOn(name="Login"))


@pytest.mark.parametrize("verified", [False, "false", "0", 0, 1, [], {}, "yes"])
def test_unclear_claim_is_refused(verified: object) -> None:
    trusted = SingleSignOn(name="Login", addresses_verified=True)
    with pytest.raises(AddressNotVerified, match="email_verified"):
        get_verified_email(ENTRA | {"email_verified": verified}, trusted)


@pytest.mark.parametrize("email", [None, "", 7, ["nina@acme.example"], "nina", "a@b@acme.example"])
def test_refusal_names_address_claim(email: object) -> None:
    with pytest.raises(AddressNotVerified, match="claim “email”"):
        get_verified_email(ENTRA | {"email": email, "email_verified": True}, SingleSignOn())
