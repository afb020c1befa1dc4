"""What can be done with an application: one file per verb, one table of them all."""

from __future__ import annotations

from collections.abc import Mapping

from portal.applications.models import Kind
from portal.applications.verbs.advance import Advance
from portal.applications.verbs.base import Click, Ground, Verb
from portal.applications.verbs.move import Move
from portal.applications.verbs.reject import Reject
from portal.applications.verbs.transfer import Transfer
from portal.applications.verbs.unreject import Unreject
from portal.applications.verbs.update import Update

VERBS: Mapping[str, Verb] = {
    verb.kind: verb for verb in (Advance(), Reject(), Unreject(), Move(), Transfer(), Update())
}

__all__ = ["VERBS", "Click", "Ground", "Kind", "Verb"]
