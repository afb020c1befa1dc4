from django.urls import path

from portal.applications import views

app_name = "applications"
urlpatterns = [
    # /requisitions/<job>/
    path("requisitions/<int:job_pk>/", views.of_job, name="of_job"),
    # /applications/<application>/
    path("applications/<int:pk>/row/", views.row, name="row"),
    path("applications/<int:pk>/advance/", views.advance, name="advance"),
    path("applications/<int:pk>/reject/", views.reject, name="reject"),
]
