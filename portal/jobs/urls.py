from django.urls import path

from portal.jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.list_jobs, name="list"),
    path("export.csv", views.export_csv, name="export_csv"),
    path("outage/", views.show_outage, name="outage"),
    path("access/", views.explain_access, name="explain_access"),
    path("views/", views.save_view, name="save_view"),
    path("views/<id:pk>/", views.update_saved_view, name="update_saved_view"),
    path("<id:job_pk>/refresh/", views.refresh_job, name="refresh_job"),
    path("<id:job_pk>/pin/", views.set_pin, name="set_pin"),
]
