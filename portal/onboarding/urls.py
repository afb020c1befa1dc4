from django.urls import path

from portal.onboarding.views import (
    authorization,
    credential,
    fix_link,
    lifecycle,
    people,
    permissions,
    progress,
    rotation,
    service_account,
    start,
)

app_name = "onboarding"
urlpatterns = [
    path("", start.redirect_to_current_step, name="setup"),
    path("start/", start.start_page, name="start"),
    path("credential/", credential.credential_page, name="credential"),
    path("credential/test/<id:pk>/", credential.credential_test_page, name="credential_test"),
    path("authorize/", authorization.authorization_page, name="authorize"),
    path("authorize/callback/", authorization.oauth_callback, name="oauth_callback"),
    path(
        "authorize/<id:pk>/",
        authorization.authorization_progress,
        name="authorization_progress",
    ),
    path("permissions/", permissions.permissions_page, name="permissions"),
    path("permissions/<str:key>/", permissions.retest_permission, name="retest_permission"),
    path("people/", people.people_page, name="people"),
    path("people/invite/", people.invite_people, name="invite"),
    path("sync/", progress.first_sync_page, name="sync"),
    path("live/", progress.live_page, name="live"),
    path("fix-links/", fix_link.fix_links_page, name="fix_links"),
    path("fix-links/<id:pk>/", fix_link.revoke_fix_link, name="revoke_fix_link"),
    path("fix/<str:token>/", fix_link.public_fix_page, name="fix"),
    path("rotation/", rotation.rotation_page, name="rotation"),
    path("rotation/<str:action>/", rotation.rotate_credential, name="rotate"),
    path("service-account/", service_account.set_service_account_acting, name="service_account"),
    path("request-consents/", service_account.request_consents, name="request_consents"),
    path("pause/", lifecycle.pause_connection, name="pause"),
    path("resume/", lifecycle.resume_connection, name="resume"),
    path("disconnect/", lifecycle.disconnect_page, name="disconnect"),
]
