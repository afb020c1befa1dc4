from django.urls import path

from portal.onboarding import views

app_name = "onboarding"
urlpatterns = [
    path("", views.setup, name="setup"),
    path("credential/", views.credential, name="credential"),
    path("permissions/", views.permissions, name="permissions"),
    path("sync/", views.first_sync, name="sync"),
    path("live/", views.live, name="live"),
]
