from __future__ import annotations

from django.http import Http404

from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights, visible_job
from portal.sync.models import Job


@use_prepared_statements()
def get_visible_job_or_404(pk: int, rights: Rights) -> Job:
    """An open or closed job that the member may see, with its department."""
    job = visible_job(pk, rights)
    if job is None:
        raise Http404
    return job
