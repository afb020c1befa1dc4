"""Changes as if someone worked in Greenhouse itself, by name.

Called by the library and by ``POST /__mutate``.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.greenhouse.sandbox.actions.application_mutations import (
    delete_application,
    hire_application,
    move_application,
    new_application,
    reject_application,
    transfer_application,
    unreject_application,
)
from integrations.greenhouse.sandbox.actions.candidate_mutations import (
    anonymize_candidate,
    change_contacts,
    delete_candidate,
    merge_candidate,
    remove_resumes,
    rename_candidate,
    replace_resume,
)
from integrations.greenhouse.sandbox.actions.job_mutations import (
    close_job,
    create_job,
    delete_job,
    delete_rejection_reason,
    delete_stage,
    rename_job,
    reopen_job,
    set_confidential,
)
from integrations.greenhouse.sandbox.actions.user_mutations import (
    add_grant,
    change_email,
    deactivate_user,
    reactivate_user,
    remove_grant,
    set_site_admin,
)
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Record


def pass_days(dataset: Dataset, days: int) -> None:
    """Change nothing but the date."""
    dataset.move_clock(days)


Mutation = Callable[..., Record | None]
MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        move_application,
        transfer_application,
        reject_application,
        unreject_application,
        hire_application,
        delete_application,
        new_application,
        close_job,
        reopen_job,
        rename_job,
        set_confidential,
        create_job,
        delete_job,
        delete_stage,
        delete_rejection_reason,
        rename_candidate,
        change_contacts,
        delete_candidate,
        merge_candidate,
        anonymize_candidate,
        replace_resume,
        remove_resumes,
        add_grant,
        remove_grant,
        deactivate_user,
        reactivate_user,
        set_site_admin,
        change_email,
        pass_days,
    )
}
