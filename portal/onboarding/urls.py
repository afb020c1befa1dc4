from django.urls import path

from portal.onboarding.views import begin, credential, permissions, progress

app_name = "onboarding"
urlpatterns = [
    path("", begin.setup, name="setup"),
    path("credential/", credential.credential, name="credential"),
    path("permissions/", permissions.permissions, name="permissions"),
    path("permissions/<str:key>/", permissions.test_one, name="test_one"),
    path("sync/", progress.first_sync, name="sync"),
    path("live/", progress.live, name="live"),
]
