"""Entries as they may still be read: whoever was erased is told neither by name nor by address.

The sealed entry stays as it was written. Who was erased is known of their key, and of their address
by a keyed digest alone, so that it can be told in what was written about them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models.query import ModelIterable

from portal.accounts.models import FORMER, User

if TYPE_CHECKING:
    from portal.audit.models import Entry

_CHUNK = 200
_ADDRESS = re.compile(r"[^\s<>(),;:\"“”]+@[^\s<>(),;:\"“”]*[\w]")
# As Greenhouse names whoever acted (portal.applications.logged).
_ACTED_AS = re.compile(r"in the name of .+ \(Greenhouse user (\d+)\)")
# Of these the words hold a name, and a reason that may tell who it is.
_NAMING = {
    "look.began": f"began to look at the portal as a {FORMER.lower()}",
    "look.ended": f"no longer looks at the portal as a {FORMER.lower()}",
}


def digest(address: str) -> str:
    """What is kept of an erased address: enough to know it again, not to read it."""
    return _digest(address, settings.AUDIT_KEYS[0])


def _digest(address: str, key: str) -> str:
    return hmac.new(key.encode(), address.lower().encode(), hashlib.sha256).hexdigest()


def erased(addresses: Iterable[str]) -> dict[str, datetime]:
    """Those of the addresses that were erased, and when: somebody may have come back since."""
    of = {_digest(one, key): one.lower() for one in addresses for key in settings.AUDIT_KEYS}
    if not of:
        return {}
    known = User.objects.filter(erased_digest__in=of).order_by("erased_at")
    return {of[told]: at for told, at in known.values_list("erased_digest", "erased_at") if at}


class Readable(ModelIterable["Entry"]):
    """The rows of `EntryQuerySet.with_who`, as they may be read."""

    def __iter__(self) -> Iterator[Entry]:
        rows = super().__iter__()
        while chunk := list(islice(rows, _CHUNK)):
            gone = erased({one for entry in chunk for one in _ADDRESS.findall(_text(entry))})
            for entry in chunk:
                _veil(entry, {one for one, at in gone.items() if entry.at <= at})
                yield entry


def _text(entry: Entry) -> str:
    return f"{entry.words} {_json(entry.before)} {_json(entry.after)}"


def _json(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False)


def _veil(entry: Entry, gone: set[str]) -> None:
    """Only in memory: an entry refuses to be saved again."""
    known = vars(entry)
    if known["erased"]:
        entry.by_words, entry.address = FORMER, None
        entry.words = _ACTED_AS.sub(r"in the name of Greenhouse user \1", entry.words)
    if known["about_erased"]:
        entry.before = None
        entry.after = entry.after if entry.verb == "person.erased" else None
        entry.words = _NAMING.get(entry.verb, entry.words)
    if gone:
        entry.words = _without(entry.words, gone)
        entry.before, entry.after = (
            json.loads(_without(_json(values), gone)) for values in (entry.before, entry.after)
        )


def _without(text: str, gone: set[str]) -> str:
    return _ADDRESS.sub(
        lambda found: FORMER.lower() if found[0].lower() in gone else found[0], text
    )
