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
    Target("integrations.http.rate_limiter", ("tests/integrations/http/test_rate_limiter.py",)),
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
