from django.urls import path

from portal.audit import views

app_name = "audit"
urlpatterns = [
    path("", views.show_log, name="log"),
    path("export.csv", views.export_csv, name="export_csv"),
]
