"""A candidate's résumé: read from Greenhouse on demand, shown without its own bytes, and never
stored in the database or on disk.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from integrations.ats.errors import FileRefused
from integrations.ats.types import Attachment
from integrations.documents.conversion import convert_file
from integrations.documents.file_types import detect_file_type
from integrations.documents.types import MAX_FILE_BYTES, Document, FileType, UnreadableFile
from integrations.greenhouse.provider import Provider
from portal.applications.resumes import cache
from portal.connections.client import enter_bulkhead
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync.models import Application

RESUME_TYPE = "resume"


class Resume(msgspec.Struct, frozen=True):
    filename: str
    file_type: FileType | None = None  # None: it can't be shown
    document: Document | None = None
    digest: str = ""  # of the file that was read

    @property
    def is_download_only(self) -> bool:
        return self.file_type is FileType.DOC

    @property
    def may_download(self) -> bool:
        return self.is_download_only or self.document is not None


def load_resume(application: Application, provider: Provider) -> Resume | None:
    """The newest résumé, or None. Raises AtsError."""
    if resume := _get_cached_resume(application):
        return resume
    attachment = _find_resume(application, provider)
    if attachment is None:
        return None
    try:
        content = provider.download_file(attachment.url, max_bytes=MAX_FILE_BYTES)
    except FileRefused:
        content = b""
    return _read_resume(application, attachment.filename, content)


def download_resume(application: Application, provider: Provider) -> tuple[Resume, bytes] | None:
    """The file itself, if it can be shown or is only for download. Raises AtsError."""
    resume = _get_cached_resume(application)
    if resume is not None and not resume.may_download:
        return None
    attachment = _find_resume(application, provider)
    if attachment is None:
        return None
    content = provider.download_file(attachment.url, max_bytes=MAX_FILE_BYTES)
    if resume is None or resume.digest != _compute_digest(content):
        resume = _read_resume(application, attachment.filename, content)
    return (resume, content) if resume.may_download else None


def _find_resume(application: Application, provider: Provider) -> Attachment | None:
    if application.candidate is None:
        return None
    attachments = provider.list_attachments(application.candidate.remote_id)
    resumes = [attachment for attachment in attachments if attachment.type == RESUME_TYPE]
    return max(resumes, key=_get_created_at, default=None)


def _get_created_at(attachment: Attachment) -> datetime:
    """Missing dates sort as oldest."""
    return attachment.created_at or datetime.min.replace(tzinfo=UTC)


def _read_resume(application: Application, filename: str, content: bytes) -> Resume:
    """An empty file can't be shown. Raises AtsUnavailable."""
    document = None
    try:
        file_type = detect_file_type(filename, content)
        if file_type is not FileType.DOC:
            document = _convert_file(application, content, file_type)
        resume = Resume(filename, file_type, document, _compute_digest(content))
    except UnreadableFile:
        resume = Resume(filename, digest=_compute_digest(content))
    cache.set_value(_build_key(application), msgspec.msgpack.encode(resume))
    return resume


def _compute_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _convert_file(application: Application, content: bytes, file_type: FileType) -> Document:
    credential = application.connection.credential
    if credential is None:
        raise SecretUnreadable
    with enter_bulkhead(credential):
        return convert_file(content, file_type)


def _get_cached_resume(application: Application) -> Resume | None:
    cached = cache.get_value(_build_key(application))
    return msgspec.msgpack.decode(cached, type=Resume) if cached else None


def _build_key(application: Application) -> str:
    candidate = application.candidate
    remote_id = candidate.remote_id if candidate else None
    return f"{application.connection_id}:{application.candidate_id}:{remote_id}"
