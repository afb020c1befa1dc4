from django.urls import path

from portal.applications.views import (
    acting_user,
    action_results,
    actions,
    activity,
    applicant,
    batches,
    choices,
    greenhouse_details,
    job_page,
    preferences,
    presets,
    resumes,
    review,
    row_menu,
    undo_period,
)

app_name = "applications"
urlpatterns = [
    path("account/greenhouse/", acting_user.manage_own_consent, name="acting_user"),
    path("account/preferences/", preferences.edit_preferences, name="preferences"),
    path("account/greenhouse/revoke/", acting_user.revoke_consent, name="revoke_consent"),
    # /requisitions/<job>/
    path("requisitions/<id:job_pk>/", job_page.job_detail, name="job_detail"),
    path("requisitions/<id:job_pk>/density/", preferences.switch_row_density, name="row_density"),
    path("requisitions/<id:job_pk>/export.csv", job_page.export_csv, name="export_csv"),
    path("requisitions/<id:job_pk>/views/", job_page.save_view, name="save_view"),
    path("requisitions/<id:job_pk>/bulk/", batches.start_batch, name="start_batch"),
    path(
        "requisitions/<id:job_pk>/bulk/choices/",
        choices.search_batch_choices,
        name="batch_choices",
    ),
    path(
        "requisitions/<id:job_pk>/review/start/", review.start_job_review, name="start_job_review"
    ),
    # /review/<session>/
    path("review/", review.list_reviews, name="reviews"),
    path("review/presets/", presets.list_presets, name="presets"),
    path("review/presets/<id:pk>/", presets.edit_preset, name="edit_preset"),
    path("review/presets/<id:pk>/delete/", presets.delete_preset, name="delete_preset"),
    path("review/emails/", presets.preview_emails, name="rejection_emails"),
    path("review/start/", review.start_review, name="start_review"),
    path("review/<id:pk>/", review.show_review, name="review"),
    path("review/<id:pk>/restart/", review.restart_review, name="restart_review"),
    path("review/<id:pk>/decisions/", review.review_decisions, name="review_decisions"),
    path("review/preferences/", review.save_preferences, name="review_preferences"),
    # /batches/<batch>/
    path("batches/<id:pk>/", batches.batch_detail, name="batch"),
    path("batches/<id:pk>/cancel/", batches.cancel_batch, name="cancel_batch"),
    path("batches/<id:pk>/extend/", undo_period.extend_batch_period, name="extend_batch_undo"),
    path("batches/<id:pk>/undo/", batches.undo_batch, name="undo_batch"),
    path("batches/<id:pk>/retry/", batches.retry_batch, name="retry_batch"),
    # /applications/<application>/
    path("activity/", activity.my_activity, name="my_activity"),
    path("applications/<id:pk>/", applicant.show_applicant, name="applicant"),
    path("applications/<id:pk>/card/", applicant.applicant_card, name="applicant_card"),
    path("applications/<id:pk>/contact/", greenhouse_details.contact, name="contact"),
    path("applications/<id:pk>/history/", activity.application_history, name="history"),
    path("applications/<id:pk>/review-card/", review.review_card, name="review_card"),
    path(
        "applications/<id:pk>/stage-history/",
        greenhouse_details.stage_history,
        name="stage_history",
    ),
    path("applications/<id:pk>/resume/", resumes.show_resume, name="resume"),
    path("applications/<id:pk>/resume/prefetch/", resumes.prefetch_resume, name="prefetch_resume"),
    path(
        "applications/<id:pk>/resume/download/",
        resumes.download_resume_file,
        name="download_resume",
    ),
    path("applications/<id:pk>/row/", job_page.application_row, name="row"),
    path("applications/<id:pk>/more/", row_menu.show_more_actions, name="more"),
    path("applications/<id:pk>/advance/", actions.advance_application, name="advance"),
    path("applications/<id:pk>/reject/", actions.reject_application, name="reject"),
    path("applications/<id:pk>/unreject/", actions.unreject_application, name="unreject"),
    path("applications/<id:pk>/move/", actions.move_application, name="move"),
    path("applications/<id:pk>/transfer/", actions.transfer_application, name="transfer"),
    path("applications/<id:pk>/update/", actions.update_application, name="update"),
    path("applications/<id:pk>/choices/", choices.search_choices, name="choices"),
    # /actions/<action>/
    path("actions/<id:pk>/cancel/", action_results.cancel_action, name="cancel_action"),
    path("actions/<id:pk>/extend/", undo_period.extend_action_period, name="extend_undo"),
    path("actions/<id:pk>/undo/", action_results.undo_action, name="undo_action"),
    path("actions/<id:pk>/retry/", action_results.retry_action, name="retry_action"),
    path("actions/<id:pk>/dismiss/", action_results.dismiss_action, name="dismiss_action"),
]
