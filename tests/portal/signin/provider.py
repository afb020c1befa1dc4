"""An OpenID Connect provider of the tests' own, at https://idp.example, as `responses` plays it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import responses
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Organization
from portal.signin.models import SignOnDomain, SingleSignOn

HOME = "https://idp.example"
SECRET = "idp-secret-77aa"


def configure(organization: Organization, *domains: str, required: bool = False) -> SingleSignOn:
    """What an operator enters for a customer."""
    made = SingleSignOn.objects.create(
        organization=organization,
        name="Acme login",
        server_url=HOME,
        client_id="portal",
        client_secret=SECRET,
        required=required,
    )
    for domain in domains:
        SignOnDomain.objects.create(single_sign_on=made, domain=domain)
    return made


@dataclass
class Provider:
    """Answers for one person, whose `claims` it tells."""

    mocked: responses.RequestsMock
    claims: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        endpoints = {name: f"{HOME}/{name}" for name in ("authorize", "token", "userinfo", "jwks")}
        self.mocked.get(
            f"{HOME}/.well-known/openid-configuration",
            json={
                "issuer": HOME,
                "authorization_endpoint": endpoints["authorize"],
                "token_endpoint": endpoints["token"],
                "userinfo_endpoint": endpoints["userinfo"],
                "jwks_uri": endpoints["jwks"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            },
        )
        self.mocked.post(endpoints["token"], json={"access_token": "a1", "token_type": "Bearer"})
        self.mocked.get(endpoints["userinfo"], json=self.claims)

    def tokens_asked(self) -> list[dict[str, list[str]]]:
        """The bodies of the requests for a token."""
        calls = [call.request for call in self.mocked.calls if call.request.url == f"{HOME}/token"]
        return [parse_qs(str(call.body)) for call in calls]


def walk(client: Client, organization: Organization, *, error: str = "", **asked: str):
    """From our page to the provider and back, as a browser goes."""
    login = reverse("openid_connect_login", kwargs={"provider_id": organization.slug})
    start = client.get(login, asked)
    assert start.status_code == 302, start.content.decode()
    sent = parse_qs(urlsplit(start.url).query)
    assert start.url.startswith(f"{HOME}/authorize?")
    assert sent["code_challenge_method"] == ["S256"]
    back = {"state": sent["state"][0]} | ({"error": error} if error else {"code": "c1"})
    return client.get(
        reverse("openid_connect_callback", kwargs={"provider_id": organization.slug}), back
    )
