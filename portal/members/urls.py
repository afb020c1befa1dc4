from django.urls import path

from portal.members import views

app_name = "members"
urlpatterns = [
    path("members/", views.list_members, name="list"),
    path("members/<id:pk>/", views.update_member, name="update_member"),
    path("members/invitations/<id:pk>/", views.revoke_invitation, name="revoke_invitation"),
    path("members/invitations/<id:pk>/resend/", views.resend_invitation, name="resend_invitation"),
    path("invitation/<str:token>/", views.accept_invitation, name="accept_invitation"),
]
