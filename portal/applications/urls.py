from django.urls import path

from portal.applications.views import act, acting, activity, after, bulk, review, row

app_name = "applications"
urlpatterns = [
    path("account/greenhouse/", acting.own, name="acting"),
    path("account/greenhouse/take-back/", acting.take_back, name="acting_take_back"),
    # /requisitions/<job>/
    path("requisitions/<int:job_pk>/", row.of_job, name="of_job"),
    path("requisitions/<int:job_pk>/bulk/", bulk.start, name="bulk"),
    path("requisitions/<int:job_pk>/review/", review.review, name="review"),
    path("requisitions/<int:job_pk>/review/begin/", review.begin, name="begin_review"),
    path("requisitions/<int:job_pk>/review/decisions/", review.decisions, name="decisions"),
    path("requisitions/<int:job_pk>/review/habits/", review.keep_habits, name="habits"),
    # /batches/<batch>/
    path("batches/<int:pk>/", bulk.batch, name="batch"),
    path("batches/<int:pk>/withdraw/", bulk.withdraw, name="withdraw_batch"),
    path("batches/<int:pk>/undo/", bulk.take_back, name="take_back_batch"),
    path("batches/<int:pk>/retry/", bulk.retry, name="retry_batch"),
    # /applications/<application>/
    path("activity/", activity.mine, name="my_activity"),
    path("applications/<int:pk>/history/", activity.history, name="history"),
    path("applications/<int:pk>/review-card/", review.card, name="review_card"),
    path("applications/<int:pk>/details/", review.details, name="details"),
    path("applications/<int:pk>/resume/", review.resume, name="resume"),
    path("applications/<int:pk>/row/", row.row, name="row"),
    path("applications/<int:pk>/advance/", act.advance, name="advance"),
    path("applications/<int:pk>/reject/", act.reject, name="reject"),
    path("applications/<int:pk>/unreject/", act.unreject, name="unreject"),
    path("applications/<int:pk>/move/", act.move, name="move"),
    path("applications/<int:pk>/transfer/", act.transfer, name="transfer"),
    path("applications/<int:pk>/update/", act.update, name="update"),
    # /actions/<action>/
    path("actions/<int:pk>/withdraw/", after.withdraw, name="withdraw"),
    path("actions/<int:pk>/undo/", after.take_back, name="take_back"),
    path("actions/<int:pk>/again/", after.again, name="again"),
    path("actions/<int:pk>/dismiss/", after.dismiss, name="dismiss"),
]
