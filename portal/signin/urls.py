from allauth.account.urls import urlpatterns as account_urls
from django.urls import include, path

from portal.signin.views import account, providers, sso_settings

OWN_URLS = [
    path("sign-in/", account.sign_in, name="account_login"),
    path("sign-out/", account.sign_out, name="account_logout"),
    path("account/session/", account.show_session_time, name="session_time"),
    path("account/email/", account.email_page, name="account_email"),
]
# No namespace: allauth looks these names up.
urlpatterns = [
    *OWN_URLS,
    path("sso/", account.start_single_sign_on, name="single_sign_on"),
    path(
        "account/", include([p for p in account_urls if p.name not in {o.name for o in OWN_URLS}])
    ),
    path("account/one-time-codes/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path("account/third-party/", include("allauth.socialaccount.urls")),
    path(
        "sso/<slug:provider_id>/login/",
        providers.begin_provider_sign_in,
        name="openid_connect_login",
    ),
    path(
        "sso/<slug:provider_id>/login/callback/",
        providers.complete_provider_sign_in,
        name="openid_connect_callback",
    ),
    path("single-sign-on/", sso_settings.settings_page, name="sso_settings"),
    path("single-sign-on/test/", sso_settings.run_test, name="sso_test"),
    path("single-sign-on/domains/", sso_settings.request_domain, name="sso_request_domain"),
    path("single-sign-on/domains/remove/", sso_settings.remove_domain, name="sso_remove_domain"),
    path("single-sign-on/addresses/", sso_settings.request_trust, name="sso_request_trust"),
    path("single-sign-on/switch/", sso_settings.switch_sign_on, name="sso_switch"),
]
