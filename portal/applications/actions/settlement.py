"""What else happens once it is certain what became of actions."""

from __future__ import annotations

from collections.abc import Sequence

from portal.applications.models import ApplicationAction
from portal.core.hooks import Hook

# Called with actions of one organization, in the transaction that settles them, after whatever
# writes to the audit log.
actions_settled: Hook[[Sequence[ApplicationAction]], object] = Hook()
