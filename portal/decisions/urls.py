from django.urls import path

from portal.decisions.views import record, retention

app_name = "decisions"
urlpatterns = [
    path("requisitions/<id:job_pk>/decisions/", record.show_record, name="record"),
    path("requisitions/<id:job_pk>/decisions/print/", record.print_record, name="print"),
    path("requisitions/<id:job_pk>/decisions/export.csv", record.export_csv, name="export_csv"),
    path("decision-record/", retention.edit_retention, name="retention"),
]
