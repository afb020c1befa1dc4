"""The modules that are mutated, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass

ENTITLEMENT_TESTS = (
    "tests/portal/entitlements",
    "tests/portal/jobs/test_access_explanation.py",
    "tests/portal/jobs/test_empty_states.py",
    "tests/portal/support/test_access_check.py",
    "tests/portal/onboarding/test_access_preview.py",
)
ACTION_TESTS = ("tests/portal/applications",)
PENDING_TESTS = (
    "tests/portal/applications/test_pending_rejections.py",
    "tests/portal/applications/test_pending_release.py",
    "tests/portal/applications/test_pending_changes.py",
    "tests/portal/faults/test_restored_backup.py",
)
DECISION_TESTS = ("tests/portal/decisions",)
ANSWER_TESTS = (
    "tests/portal/jobs/test_answers.py",
    "tests/portal/jobs/test_answer_promise.py",
    "tests/portal/applications/test_answer_due.py",
)
SCOPE_TESTS = ("tests/portal/core/test_organization_scope.py",)


@dataclass(frozen=True)
class Target:
    """`needs_redis`: classes whose tests run only where REDIS_URL is set."""

    module: str
    tests: tuple[str, ...]
    needs_redis: tuple[str, ...] = ()


TARGETS = (
    Target("portal.entitlements.access_paths", ENTITLEMENT_TESTS),
    Target("portal.entitlements.rules", (*ENTITLEMENT_TESTS, *ACTION_TESTS)),
    Target("portal.entitlements.user_matching", (*ENTITLEMENT_TESTS, *ACTION_TESTS)),
    Target("portal.entitlements.access_explanation", ENTITLEMENT_TESTS),
    Target("portal.entitlements.lookup", ENTITLEMENT_TESTS),
    Target("portal.core.transitions", ("tests/portal/core/test_transitions.py",)),
    Target("portal.applications.actions.perform", ACTION_TESTS),
    Target("portal.applications.actions.outcomes", ACTION_TESTS),
    Target("portal.applications.actions.reconciliation", ACTION_TESTS),
    Target("portal.applications.actions.undo", ACTION_TESTS),
    Target("portal.applications.actions.outbox", ACTION_TESTS),
    Target("portal.applications.actions.action_requests", ACTION_TESTS),
    Target("portal.applications.actions.available_actions", ACTION_TESTS),
    Target("portal.applications.actions.handlers.base", ACTION_TESTS),
    Target("portal.applications.actions.handlers.advance", ACTION_TESTS),
    Target("portal.applications.actions.handlers.move", ACTION_TESTS),
    Target("portal.applications.actions.handlers.note", ACTION_TESTS),
    Target("portal.applications.actions.handlers.reject", ACTION_TESTS),
    Target("portal.applications.actions.handlers.unreject", ACTION_TESTS),
    Target("portal.applications.actions.handlers.transfer", ACTION_TESTS),
    Target("portal.applications.actions.handlers.update", ACTION_TESTS),
    Target("portal.applications.actions.acting_user", ACTION_TESTS),
    Target("portal.applications.actions.application_state", ACTION_TESTS),
    Target("portal.applications.actions.batch_completion", ACTION_TESTS),
    Target("portal.applications.pending.changes", PENDING_TESTS),
    Target("portal.applications.pending.notices", PENDING_TESTS),
    Target("portal.applications.pending.pending_list", PENDING_TESTS),
    Target("portal.applications.pending.plans", PENDING_TESTS),
    Target("portal.applications.pending.releasing", PENDING_TESTS),
    Target("portal.applications.same_person", ("tests/portal/applications/test_same_person.py",)),
    Target("portal.decisions.chain", DECISION_TESTS),
    Target("portal.decisions.erasure", DECISION_TESTS),
    Target("portal.decisions.recorder", DECISION_TESTS),
    Target("portal.decisions.retention", DECISION_TESTS),
    Target("portal.decisions.seal", DECISION_TESTS),
    Target("portal.decisions.visible_decisions", DECISION_TESTS),
    Target("portal.jobs.answers.figures", ANSWER_TESTS),
    Target("portal.jobs.answers.promise", ANSWER_TESTS),
    Target("portal.jobs.answers.tallies", ANSWER_TESTS),
    Target("portal.jobs.answers.tally_sums", ANSWER_TESTS),
    Target(
        "portal.core.working_days",
        ("tests/portal/core/test_working_days.py", "tests/portal/jobs/test_answer_promise.py"),
    ),
    Target("portal.core.tenancy.managers", SCOPE_TESTS),
    Target("portal.core.tenancy.query_guard", SCOPE_TESTS),
    Target("portal.core.tenancy.scope", SCOPE_TESTS),
    Target("portal.sync.records.contact_digests", ("tests/portal/sync/test_contact_digests.py",)),
    Target("portal.web.fair_thread_pool", ("tests/portal/web/test_fair_thread_pool.py",)),
    Target(
        "integrations.http.rate_limiter",
        (
            "tests/integrations/http/test_rate_limiter.py",
            "tests/integrations/greenhouse/test_patience.py",
            "tests/portal/faults/test_greenhouse_slow.py",
        ),
    ),
    Target(
        "portal.core.shared_state",
        ("tests/portal/core/test_shared_state.py",),
        needs_redis=("RedisStore",),
    ),
    Target(
        "portal.core.secrets.secret_field",
        ("tests/portal/core/test_secrets.py", "tests/portal/core/test_key_rotation.py"),
    ),
)
