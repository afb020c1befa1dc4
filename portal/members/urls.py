from django.urls import path

from portal.members import views

app_name = "members"
urlpatterns = [
    path("members/", views.members, name="list"),
    path("members/<int:pk>/", views.member, name="change"),
    path("members/invitations/<int:pk>/", views.revoke, name="revoke"),
    path("members/invitations/<int:pk>/again/", views.resend, name="resend"),
    path("invitation/<str:token>/", views.accept, name="accept"),
]
