from django.urls import path

from portal.jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.requisitions, name="list"),
    path("export.csv", views.export_csv, name="export"),
    path("why/", views.why, name="why"),
    path("views/", views.save_view, name="save_view"),
    path("views/<int:pk>/", views.change_view, name="change_view"),
    path("<int:job_pk>/closed/", views.closed, name="closed"),
    path("<int:job_pk>/refresh/", views.refresh, name="refresh"),
    path("<int:job_pk>/pin/", views.pin, name="pin"),
]
