from __future__ import annotations

from django.http import Http404

from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights, visible_jobs
from portal.sync.models import Job


@use_prepared_statements()
def get_visible_job_or_404(pk: int, rights: Rights) -> Job:
    """An open or closed job that the member may see, with its department."""
    visible = visible_jobs(rights.member, member_rights=rights, closed=True)
    job = visible.select_related("department").filter(pk=pk).first()
    if job is None or rights.match.connection is None:
        raise Http404
    job.connection = rights.match.connection  # loaded already
    return job
