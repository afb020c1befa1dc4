from django.urls import path

from portal.applications.views import act, after, row

app_name = "applications"
urlpatterns = [
    # /requisitions/<job>/
    path("requisitions/<int:job_pk>/", row.of_job, name="of_job"),
    # /applications/<application>/
    path("applications/<int:pk>/row/", row.row, name="row"),
    path("applications/<int:pk>/advance/", act.advance, name="advance"),
    path("applications/<int:pk>/reject/", act.reject, name="reject"),
    path("applications/<int:pk>/unreject/", act.unreject, name="unreject"),
    path("applications/<int:pk>/move/", act.move, name="move"),
    path("applications/<int:pk>/transfer/", act.transfer, name="transfer"),
    # /actions/<action>/
    path("actions/<int:pk>/withdraw/", after.withdraw, name="withdraw"),
    path("actions/<int:pk>/undo/", after.take_back, name="take_back"),
    path("actions/<int:pk>/again/", after.again, name="again"),
    path("actions/<int:pk>/dismiss/", after.dismiss, name="dismiss"),
]
