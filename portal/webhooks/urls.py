from django.urls import path

from portal.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("web-hooks/<str:token>/", views.receive, name="receive"),
    path("set-up/web-hooks/", views.page, name="page"),
    path("set-up/web-hooks/secret/", views.secret, name="secret"),
    path("set-up/web-hooks/end-former/", views.end_former, name="end_former"),
    path("set-up/web-hooks/test/", views.test, name="test"),
]
