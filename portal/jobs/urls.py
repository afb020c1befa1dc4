from django.urls import path

from portal.jobs.views import answers, applicant_emails, requisitions, saved_views

app_name = "jobs"
urlpatterns = [
    path("", requisitions.list_jobs, name="list"),
    path("export.csv", requisitions.export_csv, name="export_csv"),
    path("outage/", requisitions.show_outage, name="outage"),
    path("answers/", answers.show_answers, name="answers"),
    path("answers/summary/", answers.show_summary, name="answer_summary"),
    path("answers/export.csv", answers.export_answers, name="export_answers"),
    path("answers/promise/", answers.edit_promise, name="answer_promise"),
    path("access/", requisitions.explain_access, name="explain_access"),
    path("views/", saved_views.save_view, name="save_view"),
    path("views/<id:pk>/", saved_views.update_saved_view, name="update_saved_view"),
    path("views/<id:pk>/copy/", saved_views.copy_view, name="copy_view"),
    path("<id:job_pk>/refresh/", requisitions.refresh_job, name="refresh_job"),
    path("<id:job_pk>/pin/", requisitions.set_pin, name="set_pin"),
    path("emails/", applicant_emails.list_subscriptions, name="applicant_emails"),
    path("emails/time-zone/", applicant_emails.set_time_zone, name="set_time_zone"),
    path("emails/<id:pk>/off/", applicant_emails.delete_subscription, name="delete_subscription"),
    path("emails/off/<str:token>/", applicant_emails.unsubscribe, name="unsubscribe"),
    path("<id:job_pk>/emails/", applicant_emails.subscribe_to_job, name="subscribe_to_job"),
    path("views/<id:pk>/emails/", applicant_emails.subscribe_to_view, name="subscribe_to_view"),
]
