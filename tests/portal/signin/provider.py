"""A fake OpenID Connect provider at https://idp.example."""

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
    """Configure single sign-on for a customer, as an operator does."""
    single_sign_on = SingleSignOn.objects.create(
        organization=organization,
        name="Acme login",
        server_url=HOME,
        client_id="portal",
        client_secret=SECRET,
        required=required,
    )
    for domain in domains:
        SignOnDomain.objects.create(single_sign_on=single_sign_on, domain=domain)
    return single_sign_on


@dataclass
class Provider:
    """Answers with these claims."""

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
        """The bodies of the token requests."""
        calls = [call.request for call in self.mocked.calls if call.request.url == f"{HOME}/token"]
        return [parse_qs(str(call.body)) for call in calls]


def walk(client: Client, organization: Organization, *, error: str = "", **query: str):
    """Go from the portal to the provider and back, as a browser does."""
    login = reverse("openid_connect_login", kwargs={"provider_id": organization.slug})
    start = client.get(login, query)
    assert start.status_code == 302, start.content.decode()
    params = parse_qs(urlsplit(start.url).query)
    assert start.url.startswith(f"{HOME}/authorize?")
    assert params["code_challenge_method"] == ["S256"]
    callback = {"state": params["state"][0]} | ({"error": error} if error else {"code": "c1"})
    return client.get(
        reverse("openid_connect_callback", kwargs={"provider_id": organization.slug}), callback
    )
