"""What else happens once it is certain what became of an action."""

from __future__ import annotations

from portal.applications.models import ApplicationAction
from portal.core.hooks import Hook

# Called in the transaction that settles the action, after whatever writes to the audit log.
action_settled: Hook[[ApplicationAction], object] = Hook()
