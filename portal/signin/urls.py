from allauth.account.urls import urlpatterns as account
from django.urls import include, path

from portal.signin import views

OWN_URLS = [
    path("sign-in/", views.sign_in, name="account_login"),
    path("sign-out/", views.sign_out, name="account_logout"),
    path("account/session/", views.show_session_time, name="session_time"),
    path("account/email/", views.email_page, name="account_email"),
]
# No namespace: allauth looks these names up.
urlpatterns = [
    *OWN_URLS,
    path("sso/", views.start_single_sign_on, name="single_sign_on"),
    path("account/", include([p for p in account if p.name not in {o.name for o in OWN_URLS}])),
    path("account/one-time-codes/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path("account/third-party/", include("allauth.socialaccount.urls")),
    path("", include("allauth.socialaccount.providers.openid_connect.urls")),
]
