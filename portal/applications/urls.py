from django.urls import path

from portal.applications.views import act, after, bulk, row

app_name = "applications"
urlpatterns = [
    # /requisitions/<job>/
    path("requisitions/<int:job_pk>/", row.of_job, name="of_job"),
    path("requisitions/<int:job_pk>/bulk/", bulk.start, name="bulk"),
    # /batches/<batch>/
    path("batches/<int:pk>/", bulk.batch, name="batch"),
    path("batches/<int:pk>/withdraw/", bulk.withdraw, name="withdraw_batch"),
    path("batches/<int:pk>/undo/", bulk.take_back, name="take_back_batch"),
    path("batches/<int:pk>/retry/", bulk.retry, name="retry_batch"),
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
