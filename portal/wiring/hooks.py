"""What happens in one package because of another: every callback into a higher package."""

from __future__ import annotations

from portal.accounts import access
from portal.applications import note_erasure
from portal.applications.actions import outbox, restored_backup, settlement
from portal.applications.batches import runner
from portal.applications.pending import releasing
from portal.audit import presentation
from portal.connections import call_log
from portal.connections.oauth import revocation
from portal.connections.permissions import check_runs, fix_link_email
from portal.core import outbox_fence, queue, worker_heartbeat
from portal.core.secrets import key_rotation
from portal.decisions import erasure, recorder
from portal.entitlements import job_titles
from portal.jobs.applicant_emails import schedule as applicant_emails
from portal.jobs.job_list import stage_counts
from portal.members import invitations, memberships
from portal.notifications import chat, notify, returned_emails
from portal.notifications import outbox as emails
from portal.onboarding import setup_flow
from portal.privacy import member_data
from portal.signin import email_confirmation, one_time_codes, sso_membership, sso_sessions
from portal.sync.engine import run_lifecycle
from portal.sync.records import access_requests, candidate_erasure


def register_hooks() -> None:
    check_runs.check_ended.register(setup_flow.handle_check_result)
    run_lifecycle.data_synced.register(stage_counts.request_count_update)
    candidate_erasure.candidates_erased.register(releasing.cancel_of_erased)
    candidate_erasure.candidates_erased.register(note_erasure.erase_notes)
    # After the actions: see `erasure.erase_decision_texts`.
    candidate_erasure.candidates_erased.register(erasure.erase_decision_texts)
    settlement.actions_settled.register(recorder.record_decisions)

    access.sign_in_rule.register(sso_sessions.is_open_in_session)
    sso_membership.joining_by_sso.register(invitations.accept_pending_invitation)
    returned_emails.email_returned.register(invitations.record_returned_email)
    memberships.membership_started.register(access_requests.request_member_access)
    sso_membership.joined_by_sso.register(access_requests.request_member_access)
    invitations.invitation_created.register(access_requests.request_invited_access)
    email_confirmation.email_confirmed.register(access_requests.request_confirmed_access)
    memberships.membership_ended.register(revocation.revoke_member_consents)
    memberships.membership_ended.register(member_data.delete_membership_data)

    for settle in (
        notify.MESSAGES.give_up_restored,
        emails.MESSAGES.give_up_restored,
        chat.MESSAGES.give_up_restored,
        applicant_emails.MESSAGES.give_up_restored,
        invitations.MESSAGES.give_up_restored,
        fix_link_email.MESSAGES.give_up_restored,
        revocation.drop_restored_revocations,
        # Last: what it tells people about is new, and not given up.
        restored_backup.settle_restored_actions,
    ):
        outbox_fence.outbox_released.register(settle)

    presentation.job_title_lookup.register(job_titles.get_job_titles)
    key_rotation.register_secret_store(one_time_codes.SECRET_STORE)

    queue.task_ended.register(call_log.write_thread_logs)
    # From a thread, so that long tasks do not make their workers look dead.
    queue.run_every_second(worker_heartbeat.record_heartbeat_if_due)
    queue.run_every_second(outbox.release_due_actions, lane=queue.QueueLane.CLICKS)
    queue.run_every_second(runner.release_due_batches, lane=queue.QueueLane.CLICKS)
