from django.urls import path

from portal.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("webhooks/<str:token>/", views.receive_delivery, name="receive"),
    path("setup/webhooks/", views.setup_page, name="setup"),
    path("setup/webhooks/secret/", views.create_secret, name="create_secret"),
    path(
        "setup/webhooks/revoke-previous-secret/",
        views.revoke_previous_secret,
        name="revoke_previous_secret",
    ),
    path("setup/webhooks/test/", views.send_test, name="send_test"),
]
