from django.urls import path

from portal.onboarding.views import (
    acting,
    begin,
    consent,
    credential,
    fix_link,
    leaving,
    people,
    permissions,
    progress,
    rotation,
)

app_name = "onboarding"
urlpatterns = [
    path("", begin.setup, name="setup"),
    path("before/", begin.before, name="before"),
    path("credential/", credential.credential, name="credential"),
    path("consent/", consent.consent, name="consent"),
    path("consent/back/", consent.back, name="consent_back"),
    path("permissions/", permissions.permissions, name="permissions"),
    path("permissions/<str:key>/", permissions.test_one, name="test_one"),
    path("people/", people.people, name="people"),
    path("people/invite/", people.invite_people, name="invite"),
    path("sync/", progress.first_sync, name="sync"),
    path("live/", progress.live, name="live"),
    path("links/", fix_link.fix_links_page, name="fix_links"),
    path("links/<int:pk>/", fix_link.revoke, name="revoke_link"),
    path("fix/<str:token>/", fix_link.fix, name="fix"),
    path("rotation/", rotation.rotation, name="rotation"),
    path("rotation/<str:deed>/", rotation.rotate_now, name="rotate"),
    path("acting/", acting.service_account, name="service_account"),
    path("pause/", leaving.pause, name="pause"),
    path("resume/", leaving.resume, name="resume"),
    path("disconnect/", leaving.disconnect, name="disconnect"),
]
