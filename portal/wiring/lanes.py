"""The lane of every task: clicks are served before checks, checks before syncs."""

from __future__ import annotations

from portal.core.queue import QueueLane, TaskOptions

_CLICKS = TaskOptions(QueueLane.CLICKS)
_CHECKS = TaskOptions(QueueLane.CHECKS)
_SYNCS = TaskOptions(QueueLane.SYNCS)
# Counting starts over when interrupted, and a hundred thousand requisitions take minutes.
_COUNTS = TaskOptions(QueueLane.SYNCS, timeout_seconds=600)

TASK_OPTIONS = {
    "portal.applications.tasks.send_action": _CLICKS,
    "portal.applications.tasks.reconcile_action": _CLICKS,
    "portal.applications.tasks.send_batch": _CLICKS,
    "portal.connections.tasks.check_permissions": _CHECKS,
    "portal.connections.tasks.renew_consent": _CHECKS,
    "portal.connections.tasks.report_lost_consent": _CHECKS,
    "portal.connections.tasks.revoke_token": _CHECKS,
    "portal.connections.tasks.retest_fix_link": _CHECKS,
    "portal.connections.tasks.send_fix_link_email": _CHECKS,
    "portal.members.tasks.send_invitation": _CHECKS,
    "portal.notifications.tasks.send_notification": _CHECKS,
    "portal.notifications.tasks.send_chat_message": _CHECKS,
    "portal.notifications.tasks.send_outgoing_email": _CHECKS,
    "portal.sync.tasks.refresh_record": _CHECKS,
    "portal.webhooks.tasks.process_deliveries": _CHECKS,
    "portal.jobs.tasks.update_counts": _COUNTS,
    "portal.jobs.tasks.send_applicant_digest": _CHECKS,
    "portal.jobs.tasks.recount_connection": _COUNTS,
    "portal.onboarding.tasks.exchange_code": _CHECKS,
    "portal.onboarding.tasks.run_credential_test": _CHECKS,
    "portal.onboarding.tasks.delete_synced_data": _SYNCS,
    "portal.sync.tasks.request_due_sync": _CHECKS,
    "portal.sync.tasks.run_sync": _SYNCS,
    # Scheduled
    "portal.applications.tasks.recover_lost_actions": _CHECKS,
    "portal.connections.tasks.check_due_connections": _CHECKS,
    "portal.connections.tasks.record_heartbeat": _CHECKS,
    "portal.connections.tasks.recover_lost_checks": _CHECKS,
    "portal.connections.tasks.renew_due_consents": _CHECKS,
    "portal.connections.tasks.requeue_lost_revocations": _CHECKS,
    "portal.connections.tasks.retry_fix_link_emails": _CHECKS,
    "portal.members.tasks.recover_lost_invitations": _CHECKS,
    "portal.notifications.tasks.recover_lost_messages": _CHECKS,
    "portal.notifications.tasks.send_digests": _CHECKS,
    "portal.onboarding.tasks.clean_up_entered_secrets": _CHECKS,
    "portal.onboarding.tasks.recover_lost_deletions": _CHECKS,
    "portal.sync.tasks.record_freshness": _CHECKS,
    "portal.sync.tasks.recover_stalled_work": _CHECKS,
    "portal.sync.tasks.request_due_syncs": _CHECKS,
    "portal.webhooks.tasks.detect_silence": _CHECKS,
    "portal.webhooks.tasks.recover_stalled_work": _CHECKS,
    "portal.jobs.tasks.queue_applicant_digests": _CHECKS,
    "portal.jobs.tasks.update_all_counts": _COUNTS,
    "portal.privacy.tasks.delete_expired_data": _SYNCS,
    "portal.support.tasks.run_periodic_checks": _CHECKS,
}
