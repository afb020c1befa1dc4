"""Harvest v1 serializers of users, permissions and an organization's settings."""

from __future__ import annotations

from integrations.greenhouse.sandbox.api.v1.shared_serializers import (
    JsonObject,
    serialize_user_reference,
)
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import (
    CustomField,
    Department,
    EmailTemplate,
    FutureJobPermission,
    JobPermission,
    Office,
    User,
    UserRole,
)


def serialize_department(dataset: Dataset, row: Department) -> JsonObject:
    children = [other for other in dataset.departments if other.parent_id == row.id]
    parent = dataset.departments.get(row.parent_id)
    return {
        "id": row.id,
        "name": row.name,
        "parent_id": row.parent_id,
        "parent_department_external_id": parent.external_id if parent else None,
        "child_ids": [other.id for other in children],
        "child_department_external_ids": [o.external_id for o in children if o.external_id],
        "external_id": row.external_id,
    }


def serialize_office(dataset: Dataset, row: Office) -> JsonObject:
    """Serialize an office; its location's name can be null."""
    children = [other for other in dataset.offices if other.parent_id == row.id]
    parent = dataset.offices.get(row.parent_id)
    return {
        "id": row.id,
        "name": row.name,
        "location": {"name": row.location},
        "primary_contact_user_id": row.primary_contact_user_id,
        "parent_id": row.parent_id,
        "parent_office_external_id": parent.external_id if parent else None,
        "child_ids": [other.id for other in children],
        "child_office_external_ids": [o.external_id for o in children if o.external_id],
        "external_id": row.external_id,
    }


def serialize_user(dataset: Dataset, row: User) -> JsonObject:
    """Serialize a user. Service accounts have no email (that v1 lists them is inferred)."""
    emails = dataset.list_user_emails(row.id)
    return {
        "id": row.id,
        "name": row.name,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "primary_email_address": dataset.primary_email(row.id),
        "updated_at": row.updated_at,
        "created_at": row.created_at,
        "disabled": row.deactivated,
        "site_admin": row.site_admin,
        "emails": [address.email for address in emails],
        "employee_id": row.employee_id,
        "linked_candidate_ids": row.linked_candidate_ids,
        "offices": [
            serialize_office(dataset, o) for o in map(dataset.offices.get, row.office_ids) if o
        ],
        "departments": [
            serialize_department(dataset, d)
            for d in map(dataset.departments.get, row.department_ids)
            if d
        ],
        "custom_fields": {},
        "keyed_custom_fields": {},
    }


def serialize_user_role(dataset: Dataset, row: UserRole) -> JsonObject:
    return {"id": row.id, "type": row.role_type, "name": row.name}


def serialize_job_permission(dataset: Dataset, row: JobPermission) -> JsonObject:
    return {"id": row.id, "job_id": row.job_id, "user_role_id": row.role_id}


def serialize_future_job_permission(dataset: Dataset, row: FutureJobPermission) -> JsonObject:
    office = dataset.offices.get(row.office_id)
    department = dataset.departments.get(row.department_id)
    return {
        "id": row.id,
        "office_id": row.office_id,
        "external_office_id": office.external_id if office else None,
        "department_id": row.department_id,
        "external_department_id": department.external_id if department else None,
        "user_role_id": row.role_id,
    }


def serialize_email_template(dataset: Dataset, row: EmailTemplate) -> JsonObject:
    """Serialize an email template; ``user`` null is organization-wide."""
    return {
        "id": row.id,
        "name": row.name,
        "description": None,
        "default": row.default,
        "updated_at": row.updated_at,
        "created_at": row.created_at,
        "type": row.email_type,
        "from": None,
        "cc": [],
        "body": None,
        "html_body": row.html_body,
        "user": serialize_user_reference(dataset, row.user_id),
    }


def serialize_custom_field(dataset: Dataset, row: CustomField) -> JsonObject:
    return {
        "id": row.id,
        "name": row.name,
        "active": row.active,
        "field_type": row.field_type,
        "priority": row.priority,
        "value_type": row.value_type,
        "private": row.private,
        "required": row.required,
        "require_approval": False,
        "trigger_new_version": False,
        "name_key": row.name_key,
        "description": row.description,
        "expose_in_job_board_api": False,
        "api_only": False,
        "offices": [],
        "departments": [],
        "template_token_string": None,
        "custom_field_options": [
            {"id": option.id, "name": option.name, "priority": option.priority, "external_id": None}
            for option in dataset.list_field_options(row.id)
        ],
    }
