"""Résumés: beside the decision, on a page of their own, and for download."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from integrations.documents.types import Document, FileType, PageImage
from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.conflicts import build_greenhouse_url
from portal.applications.page.labels import get_candidate_label
from portal.applications.resumes.resume import Resume, download_resume, load_resume
from portal.applications.resumes.resume_views import record_resume_view
from portal.applications.review import highlighting, sessions
from portal.applications.views.greenhouse_reads import read_from_greenhouse
from portal.applications.views.lookups import get_application_or_404
from portal.applications.views.read_failure import ReadFailure
from portal.applications.views.repeated_reads import answers_repeated_reads
from portal.core.database import read_only
from portal.entitlements.rules import Rights
from portal.sync.models import Application
from portal.web.htmx import render_page_or_partial

TYPE_LABELS = {
    FileType.PDF: "PDF",
    FileType.DOCX: "Word document",
    FileType.RTF: "Rich text",
    FileType.TEXT: "Plain text",
    FileType.IMAGE: "Picture",
    FileType.DOC: "Word 97–2003 document",
}
_DOWNLOAD_TYPES = {FileType.PDF: "application/pdf", FileType.TEXT: "text/plain; charset=utf-8"}
_DOWNLOAD_POLICY = "sandbox; default-src 'none'"
NOT_WHILE_VIEWING = ReadFailure("Résumés aren't shown while you view as someone else.")


@dataclass(frozen=True)
class _ShownPage:
    number: int
    image: PageImage

    @property
    def source(self) -> str:
        return f"data:image/jpeg;base64,{base64.b64encode(self.image.jpeg).decode()}"


@answers_repeated_reads
@require_safe
@member_only
def show_resume(request: MemberRequest, pk: int) -> HttpResponse:
    application, member_rights = get_application_or_404(request, pk)
    context = _build_context(request, application, member_rights)
    response = render_page_or_partial(request, "applications/resume.html", "resume", context)
    # Never in the browser's cache, which is on a disk.
    response["Cache-Control"] = "no-store"
    return response


def _build_context(
    request: MemberRequest, application: Application, member_rights: Rights
) -> dict[str, object]:
    resume = _read_resume(request, application)
    context: dict[str, object] = {
        "application": application,
        "who": get_candidate_label(application, member_rights),
        "greenhouse_url": build_greenhouse_url(application),
    }
    if isinstance(resume, ReadFailure):
        return {**context, "failure": resume}
    context["resume"] = resume
    if resume is None or resume.document is None:
        return context
    record_resume_view(request.membership, application)
    highlighted_words = sessions.get_review_preferences(request.membership).highlighted_words
    return {
        **context,
        **_build_document_context(resume.document, highlighted_words),
        "type_label": TYPE_LABELS[resume.file_type] if resume.file_type else "",
    }


def _read_resume(request: MemberRequest, application: Application) -> Resume | ReadFailure | None:
    if read_only.is_read_only():  # staff who view as a member
        return NOT_WHILE_VIEWING
    return read_from_greenhouse(
        request, application, lambda provider: load_resume(application, provider)
    )


def _build_document_context(document: Document, highlighted_words: str) -> dict[str, object]:
    texts = [highlighting.highlight_words(text, highlighted_words) for text in document.texts]
    hits = Counter(piece.casefold() for text in texts for piece, is_hit in text if is_hit)
    return {
        "pages": [_ShownPage(number, image) for number, image in enumerate(document.images, 1)],
        "texts": [text for text in texts if text] if any(document.texts) else [],
        "word_counts": [
            (word, hits[word.casefold()]) for word in highlighting.list_words(highlighted_words)
        ],
    }


@require_safe
@member_only
def prefetch_resume(request: MemberRequest, pk: int) -> HttpResponse:
    """Read the résumé, so that it is there when somebody comes to it."""
    application, _ = get_application_or_404(request, pk)
    _read_resume(request, application)
    return HttpResponse(status=204)


@require_safe
@member_only
def download_resume_file(request: MemberRequest, pk: int) -> HttpResponse:
    application, member_rights = get_application_or_404(request, pk)
    result = (
        NOT_WHILE_VIEWING
        if read_only.is_read_only()
        else read_from_greenhouse(
            request, application, lambda provider: download_resume(application, provider)
        )
    )
    if isinstance(result, tuple):
        record_resume_view(request.membership, application)
        return _build_download(*result)
    context = {
        "application": application,
        "who": get_candidate_label(application, member_rights),
        "greenhouse_url": build_greenhouse_url(application),
        "failure": result,
        "resume": None if result else Resume(""),
    }
    response = render(request, "applications/resume.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _build_download(resume: Resume, content: bytes) -> HttpResponse:
    file_type = resume.file_type or FileType.DOC
    response = HttpResponse(
        content, content_type=_DOWNLOAD_TYPES.get(file_type, "application/octet-stream")
    )
    response["Content-Disposition"] = content_disposition_header(True, resume.filename or "resume")
    response["Content-Security-Policy"] = _DOWNLOAD_POLICY
    response["Cache-Control"] = "no-store"
    return response
