from django.urls import path

from portal.jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.requisitions, name="list"),
]
