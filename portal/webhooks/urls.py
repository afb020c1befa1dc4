from django.urls import path

from portal.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("web-hooks/<str:token>/", views.receive_delivery, name="receive"),
    path("set-up/web-hooks/", views.setup_page, name="setup"),
    path("set-up/web-hooks/secret/", views.create_secret, name="create_secret"),
    path(
        "set-up/web-hooks/end-former/", views.revoke_previous_secret, name="revoke_previous_secret"
    ),
    path("set-up/web-hooks/test/", views.send_test, name="send_test"),
]
