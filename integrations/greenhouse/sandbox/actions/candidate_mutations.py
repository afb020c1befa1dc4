"""Changes to candidates as if made in Greenhouse itself; permissions are not checked."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.greenhouse.sandbox.actions import events
from integrations.greenhouse.sandbox.actions.application_mutations import remove_application
from integrations.greenhouse.sandbox.actions.record_lookup import get_record
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Application, Attachment, Candidate
from integrations.greenhouse.sandbox.webhooks import payloads


def rename_candidate(
    dataset: Dataset, candidate_id: int, first_name: str | None, last_name: str | None
) -> Candidate:
    row = get_record(dataset.candidates, candidate_id)
    dataset.update_record(row, first_name=first_name, last_name=last_name)
    events.publish_candidate_update(dataset, row)
    return row


def change_contacts(
    dataset: Dataset,
    candidate_id: int,
    emails: Sequence[str] = (),
    phones: Sequence[str] = (),
    links: Sequence[str] = (),
) -> Candidate:
    """Replace a candidate's email addresses, phone numbers and social media addresses."""
    row = get_record(dataset.candidates, candidate_id)
    dataset.update_record(
        row,
        emails=[{"value": email, "type": "personal"} for email in emails],
        phones=[{"value": phone, "type": "mobile"} for phone in phones],
        social=[{"value": link} for link in links],
    )
    events.publish_candidate_update(dataset, row)
    return row


def delete_candidate(dataset: Dataset, candidate_id: int) -> None:
    row = get_record(dataset.candidates, candidate_id)
    applications = dataset.applications.filter_by("candidate_id", row.id)
    person = payloads.build_deleted_person_payload(row) | {
        "deleted_application_ids": [application.id for application in applications]
    }
    for note in dataset.notes.filter_by("candidate_id", row.id):
        dataset.remove_record(note)
    for application in applications:
        remove_application(dataset, application)
    dataset.remove_record(row)
    dataset.publish_event("delete_candidate", lambda: {"person": person})


def merge_candidate(dataset: Dataset, candidate_id: int, into_id: int) -> Candidate:
    """Merge a candidate into another: the applications move, the old ID is gone."""
    merged = get_record(dataset.candidates, candidate_id)
    survivor = get_record(dataset.candidates, into_id)
    for application in dataset.applications.filter_by("candidate_id", merged.id):
        dataset.update_record(application, candidate_id=survivor.id)
    for attachment in dataset.attachments.filter_by("candidate_id", merged.id):
        dataset.update_record(attachment, candidate_id=survivor.id)
    for note in dataset.notes.filter_by("candidate_id", merged.id):
        dataset.update_record(note, candidate_id=survivor.id)
    dataset.update_record(survivor, emails=[*survivor.emails, *merged.emails])
    dataset.remove_record(merged)
    person = payloads.build_deleted_person_payload(merged) | {"new_candidate_id": survivor.id}
    dataset.publish_event("merge_candidate", lambda: {"person": person})
    return survivor


def anonymize_candidate(dataset: Dataset, candidate_id: int) -> Candidate:
    """Clear what identifies a candidate; which fields exactly is inferred."""
    row = get_record(dataset.candidates, candidate_id)
    dataset.update_record(
        row,
        first_name=None,
        last_name=None,
        preferred_name=None,
        company=None,
        title=None,
        emails=[],
        phones=[],
        addresses=[],
        websites=[],
        social=[],
        tags=[],
        custom={},
    )
    for attachment in dataset.attachments.filter_by("candidate_id", row.id):
        dataset.remove_record(attachment)
    for application in dataset.applications.filter_by("candidate_id", row.id):
        dataset.update_record(application, answers=[], location=None, custom={})
    fields = ["full_name", "current_company", "current_title", "email_addresses"]
    dataset.publish_event(
        "candidate_anonymized",
        lambda: {"candidate_id": row.id, "anonymized_fields": fields},
    )
    return row


def replace_resume(
    dataset: Dataset, application_id: int, filename: str, content: bytes = b""
) -> Attachment:
    """Give the candidate this résumé instead of theirs; without content, a sample of its kind."""
    application = remove_resumes(dataset, application_id)
    return dataset.add_record(
        Attachment,
        candidate_id=application.candidate_id,
        application_id=application_id,
        filename=filename,
        content=content,
    )


def remove_resumes(dataset: Dataset, application_id: int) -> Application:
    application = get_record(dataset.applications, application_id)
    for attachment in dataset.attachments.filter_by("candidate_id", application.candidate_id):
        dataset.remove_record(attachment)
    return application
