from django.urls import path

from portal.privacy import views

app_name = "privacy"
urlpatterns = [
    path("", views.show_your_data, name="your_data"),
    path("members/<id:pk>/export/", views.export_member, name="export_member"),
    path("members/<id:pk>/erase/", views.erase_member, name="erase_member"),
    path("candidate/export/", views.export_candidate, name="export_candidate"),
    path("candidate/erase/", views.erase_candidate, name="erase_candidate"),
]
