"""A fake OpenID Connect provider at https://idp.example."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import responses
from django.test import Client
from django.urls import reverse

from portal.accounts.models import Organization
from portal.signin.models import SingleSignOn, SingleSignOnDomain

PROVIDER_URL = "https://idp.example"
CLIENT_SECRET = "idp-secret-77aa"


def mock_service() -> responses.RequestsMock:
    """Mock what allauth sends; `GuardedClient` has tests of its own."""
    return responses.RequestsMock(
        assert_all_requests_are_fired=False,
        target="portal.signin.guarded_session.GuardedAdapter.send",
    )


def configure_sso(
    organization: Organization, *domains: str, required: bool = False, **fields: object
) -> SingleSignOn:
    """Configure single sign-on for a customer, as an operator does."""
    single_sign_on = SingleSignOn.objects.create(
        organization=organization,
        name="Acme login",
        server_url=PROVIDER_URL,
        client_id="portal",
        client_secret=CLIENT_SECRET,
        required=required,
        **fields,
    )
    for domain in domains:
        SingleSignOnDomain.objects.create(single_sign_on=single_sign_on, domain=domain)
    return single_sign_on


@dataclass
class FakeProvider:
    """Answers with these claims."""

    mocked: responses.RequestsMock
    claims: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        endpoints = {
            name: f"{PROVIDER_URL}/{name}" for name in ("authorize", "token", "userinfo", "jwks")
        }
        self.mocked.get(
            f"{PROVIDER_URL}/.well-known/openid-configuration",
            json={
                "issuer": PROVIDER_URL,
                "authorization_endpoint": endpoints["authorize"],
                "token_endpoint": endpoints["token"],
                "userinfo_endpoint": endpoints["userinfo"],
                "jwks_uri": endpoints["jwks"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            },
        )
        self.mocked.post(endpoints["token"], json={"access_token": "a1", "token_type": "Bearer"})
        self.mocked.get(endpoints["userinfo"], json=self.claims)

    def list_token_requests(self) -> list[dict[str, list[str]]]:
        """The bodies of the token requests."""
        calls = [
            call.request
            for call in self.mocked.calls
            if call.request.url == f"{PROVIDER_URL}/token"
        ]
        return [parse_qs(str(call.body)) for call in calls]


def sign_in_with_sso(client: Client, organization: Organization, *, error: str = "", **query: str):
    """Go from the portal to the provider and back, as a browser does."""
    login = reverse("openid_connect_login", kwargs={"provider_id": organization.slug})
    start = client.get(login, query)
    assert start.status_code == 302, start.content.decode()
    params = parse_qs(urlsplit(start.url).query)
    assert start.url.startswith(f"{PROVIDER_URL}/authorize?")
    assert params["code_challenge_method"] == ["S256"]
    callback = {"state": params["state"][0]} | ({"error": error} if error else {"code": "c1"})
    return client.get(
        reverse("openid_connect_callback", kwargs={"provider_id": organization.slug}), callback
    )
