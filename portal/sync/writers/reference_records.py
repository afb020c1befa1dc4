"""Write pages of what jobs and applications refer to: departments, offices, reasons, sources, email
templates and custom fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from integrations.ats import types as ats
from portal.connections.models import Connection
from portal.core.names.search_keys import build_search_key
from portal.core.names.text import clean_title
from portal.sync.engine.upsert import UpsertTable, WriteResult
from portal.sync.models import (
    CloseReason,
    CustomField,
    Department,
    EmailTemplate,
    Office,
    RejectionReason,
    Source,
)

MAX_EMAIL_BODY = 50_000  # characters

DEPARTMENT_TABLE = UpsertTable(Department, ("name",))
OFFICE_TABLE = UpsertTable(Office, ("name", "search_name"))
CLOSE_REASON_TABLE = UpsertTable(CloseReason, ("name",))
REJECTION_REASON_TABLE = UpsertTable(RejectionReason, ("name", "type_name", "type_key"))
SOURCE_TABLE = UpsertTable(Source, ("name",))
EMAIL_TEMPLATE_TABLE = UpsertTable(EmailTemplate, ("name", "type", "subject", "body", "sender"))
CUSTOM_FIELD_TABLE = UpsertTable(
    CustomField,
    ("key", "name", "type", "description", "order", "required", "private", "active", "options"),
)


def write_departments(connection: Connection, page: Sequence[ats.Department]) -> WriteResult:
    return DEPARTMENT_TABLE.write(
        connection,
        (
            {
                "remote_id": d.id,
                "name": clean_title(d.name, d.id)[:300],
            }
            for d in page
        ),
    )


def write_offices(connection: Connection, page: Sequence[ats.Office]) -> WriteResult:
    return OFFICE_TABLE.write(
        connection,
        (
            {
                "remote_id": o.id,
                "name": clean_title(o.name, o.id)[:300],
                "search_name": build_search_key(o.name),
            }
            for o in page
        ),
    )


def write_close_reasons(connection: Connection, page: Sequence[ats.CloseReason]) -> WriteResult:
    return CLOSE_REASON_TABLE.write(
        connection, ({"remote_id": r.id, "name": clean_title(r.name, r.id)[:300]} for r in page)
    )


def write_rejection_reasons(
    connection: Connection, page: Sequence[ats.RejectionReason]
) -> WriteResult:
    return REJECTION_REASON_TABLE.write(
        connection,
        (
            {
                "remote_id": r.id,
                "name": clean_title(r.name, r.id)[:300],
                "type_name": r.type_name[:120],
                "type_key": r.type_key[:60],
            }
            for r in page
        ),
    )


def write_sources(connection: Connection, page: Sequence[ats.Source]) -> WriteResult:
    return SOURCE_TABLE.write(
        connection, ({"remote_id": s.id, "name": clean_title(s.name, s.id)[:300]} for s in page)
    )


def write_email_templates(connection: Connection, page: Sequence[ats.EmailTemplate]) -> WriteResult:
    return EMAIL_TEMPLATE_TABLE.write(connection, map(_convert_email_template, page))


def _convert_email_template(template: ats.EmailTemplate) -> dict[str, Any]:
    """Only rejections are sent from here, so the text of other emails is not stored."""
    is_rejection = "reject" in template.type.lower()
    return {
        "remote_id": template.id,
        "name": clean_title(template.name, template.id)[:300],
        "type": template.type[:60],
        "subject": template.subject[:500] if is_rejection else "",
        "body": template.body[:MAX_EMAIL_BODY] if is_rejection else "",
        "sender": template.sender[:300] if is_rejection else "",
    }


def write_custom_fields(connection: Connection, page: Sequence[ats.CustomField]) -> WriteResult:
    return CUSTOM_FIELD_TABLE.write(
        connection,
        (
            {
                "remote_id": f.id,
                "key": f.key[:255],
                "name": clean_title(f.name, f.id)[:300],
                "type": f.type[:40],
                "description": f.description,
                "order": f.order,
                "required": f.required,
                "private": f.private,
                "active": f.active,
                "options": [[option.id, option.name] for option in f.options],
            }
            for f in page
        ),
    )
