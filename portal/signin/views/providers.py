"""Signing in at a customer's own service, through allauth."""

from __future__ import annotations

from typing import Any, cast

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.http import Http404, HttpRequest, HttpResponse
from requests import RequestException

from portal.accounts.access import public_view
from portal.signin import oidc


@public_view("nobody is signed in yet; the service decides who comes back")
def begin_provider_sign_in(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _run_provider_view(OAuth2LoginView, request, provider_id)


@public_view("the service sends people back with a code that only this session can use")
def complete_provider_sign_in(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _run_provider_view(OAuth2CallbackView, request, provider_id)


def _run_provider_view(view: Any, request: HttpRequest, provider_id: str) -> HttpResponse:
    adapter = oidc.GuardedOidcAdapter(request, provider_id)
    try:
        return cast(HttpResponse, view.adapter_view(adapter)(request))
    except SocialApp.DoesNotExist:
        raise Http404 from None
    except (OAuth2Error, RequestException) as error:
        return cast(
            HttpResponse,
            render_authentication_error(request, adapter.get_provider(), exception=error),
        )
