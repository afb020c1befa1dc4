"""Without a namespace: allauth itself looks these names up."""

from django.urls import include, path

from portal.signin import views

urlpatterns = [
    path("sign-in/", views.sign_in, name="account_login"),
    path("sign-out/", views.sign_out, name="account_logout"),
    path("single-sign-on/", views.single_sign_on, name="single_sign_on"),
    path("account/", include("allauth.account.urls")),
    path("account/one-time-codes/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path("account/elsewhere/", include("allauth.socialaccount.urls")),
    path("", include("allauth.socialaccount.providers.openid_connect.urls")),
]
