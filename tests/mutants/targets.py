"""The modules that are mutated, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass

ENTITLEMENT_TESTS = (
    "tests/portal/entitlements",
    "tests/portal/jobs/test_why.py",
    "tests/portal/jobs/test_states.py",
    "tests/portal/support/test_why.py",
    "tests/portal/onboarding/test_people.py",
)
ACTION_TESTS = ("tests/portal/applications",)


@dataclass(frozen=True)
class Target:
    """`needs_redis`: classes whose tests run only where REDIS_URL is set."""

    module: str
    tests: tuple[str, ...]
    needs_redis: tuple[str, ...] = ()


TARGETS = (
    Target("portal.entitlements.rules", (*ENTITLEMENT_TESTS, *ACTION_TESTS)),
    Target("portal.entitlements.people", (*ENTITLEMENT_TESTS, *ACTION_TESTS)),
    Target("portal.entitlements.explain", ENTITLEMENT_TESTS),
    Target("portal.entitlements.asking", ENTITLEMENT_TESTS),
    Target("portal.core.transitions", ("tests/portal/core/test_transitions.py",)),
    Target("portal.applications.perform", ACTION_TESTS),
    Target("portal.applications.undo", ACTION_TESTS),
    Target("portal.applications.outbox", ACTION_TESTS),
    Target("portal.applications.clicks", ACTION_TESTS),
    Target("portal.applications.offers", ACTION_TESTS),
    Target("portal.applications.verbs.base", ACTION_TESTS),
    Target("portal.applications.verbs.advance", ACTION_TESTS),
    Target("portal.applications.verbs.move", ACTION_TESTS),
    Target("portal.applications.verbs.reject", ACTION_TESTS),
    Target("portal.applications.verbs.unreject", ACTION_TESTS),
    Target("portal.applications.verbs.transfer", ACTION_TESTS),
    Target("portal.applications.verbs.update", ACTION_TESTS),
    Target("integrations.http.budget", ("tests/integrations/http/test_budget.py",)),
    Target("portal.core.state", ("tests/portal/core/test_state.py",), needs_redis=("RedisStore",)),
    Target(
        "portal.core.secrets",
        ("tests/portal/core/test_secrets.py", "tests/portal/core/test_rekey.py"),
    ),
)
