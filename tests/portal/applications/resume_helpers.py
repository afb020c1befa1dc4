"""Applications with a résumé of the test's choice."""

from __future__ import annotations

from integrations.greenhouse.sandbox import Sandbox
from portal.sync.models import Application
from tests.portal.applications.action_helpers import list_applications


def find_with_resume(sandbox: Sandbox, filename: str, content: bytes = b"") -> Application:
    """Without content, a sample of its kind."""
    application = list_applications()[0]
    replace_resume(sandbox, application, filename, content)
    return application


def replace_resume(
    sandbox: Sandbox, application: Application, filename: str, content: bytes = b""
) -> None:
    sandbox.run_mutation(
        "replace_resume",
        application_id=application.remote_id,
        filename=filename,
        content=content,
    )
