"""OpenID Connect with a service that a customer chose: checked discovery, errors as sentences."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount.models import SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from requests import RequestException

from integrations.http.guarded_client import RequestRefused, check_url
from portal.signin.guarded_session import GuardedRequestFailed, build_session

DISCOVERY_PATH = "/.well-known/openid-configuration"
_ENDPOINTS = {
    "authorization_endpoint": "sign-in",
    "token_endpoint": "token",
    "userinfo_endpoint": "user info",
    "jwks_uri": "keys",
}


class ServiceError(OAuth2Error):
    """The sign-in service cannot be used; `message` is a sentence for the customer's admin."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


def normalize_issuer(address: str) -> str:
    """Issuers are compared without the discovery path and the last slash."""
    return address.strip().removesuffix(DISCOVERY_PATH).rstrip("/")


def fetch_configuration(issuer: str) -> dict[str, Any]:
    """Return the discovery document. Raises ServiceError."""
    issuer = normalize_issuer(issuer)
    host = urlsplit(issuer).hostname or issuer
    try:
        with build_session() as session:
            response = session.get(issuer + DISCOVERY_PATH)
    except GuardedRequestFailed as failure:
        raise ServiceError(failure.message) from failure
    if not response.ok:
        raise ServiceError(
            f"{host} answered with status {response.status_code}. Check the issuer address."
        )
    configuration = _parse_object(response.content)
    if configuration is None:
        raise ServiceError(f"{host} isn't a sign-in service at this address: it sent no JSON.")
    _check_configuration(configuration, issuer, host)
    return configuration


def _parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _check_configuration(configuration: dict[str, Any], issuer: str, host: str) -> None:
    named_issuer = configuration.get("issuer")
    if not isinstance(named_issuer, str) or normalize_issuer(named_issuer) != issuer:
        shown = str(named_issuer or "nothing")[:200]
        raise ServiceError(f"{host} names another issuer: {shown}. Enter exactly that address.")
    for name, label in _ENDPOINTS.items():
        try:
            check_url(
                configuration.get(name) or "", allow_local=settings.SINGLE_SIGN_ON_LOCAL_ADDRESSES
            )
        except RequestRefused as refusal:
            raise ServiceError(f"{host} names no {label} address with https://.") from refusal
    methods = configuration.get("token_endpoint_auth_methods_supported", [])
    if not isinstance(methods, list):
        raise ServiceError(f"{host} sent a document that can't be read.")


class GuardedOidcAdapter(OpenIDConnectOAuth2Adapter):
    @property
    def openid_config(self) -> dict[str, Any]:
        if not hasattr(self, "_openid_config"):
            server_url = self.get_provider().app.settings["server_url"]
            self._openid_config = fetch_configuration(server_url)
        return self._openid_config

    def get_access_token_data(self, *args: Any, **kwargs: Any) -> Any:
        try:
            data = super().get_access_token_data(*args, **kwargs)
        except (OAuth2Error, KeyError, TypeError) as error:
            raise ServiceError(
                "The sign-in service didn't accept the client ID, the client secret or the "
                "redirect URI."
            ) from error
        if not isinstance(data, dict) or not isinstance(data.get("access_token"), str):
            raise ServiceError("The sign-in service sent no access token.")
        return data

    def parse_token(self, data: Any) -> SocialToken:
        return SocialToken(token=data["access_token"])  # neither stored nor refreshed

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        try:
            return super().complete_login(request, app, token, **kwargs)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, RequestException):
                raise
            raise ServiceError("The sign-in service sent no subject (claim “sub”).") from error


def describe_failure(exception: Exception | None) -> str:
    """Return the sentence of a failed sign-in; empty if there is none."""
    if isinstance(exception, ServiceError | GuardedRequestFailed):
        return exception.message
    return ""
