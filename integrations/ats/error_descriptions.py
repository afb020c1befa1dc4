"""What may be logged and stored of an error whose text may quote a record: its class and its
place, never a value.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from integrations.ats.errors import AtsError

# Of msgspec's texts only parts that come from our types; others quote the input.
_FIELD_PATH = re.compile(r" - at `(\$[\w.\[\]]*)`$")
_EXPECTATION = re.compile(
    r"(?:Expected `[\w |]+`(?:, got `\w+`)?|Object missing required field `\w+`"
    r"|(?:Number|Integer value) out of range)(?= - at `|$)"
)
_OUR_PACKAGES = {"integrations", "portal"}


class InvalidRecord(ValueError):
    """A record decodes, but its values are not usable. The text quotes none of them."""


def describe_error(error: BaseException) -> str:
    """Return the error's class and where it was raised: the field path, or a line of ours."""
    name = type(error).__name__
    if isinstance(error, (AtsError, InvalidRecord)):
        return f"{name}: {error}"
    if isinstance(error, msgspec.MsgspecError):
        expectation, path = _EXPECTATION.match(str(error)), _FIELD_PATH.search(str(error))
        reason = f": {expectation[0]}" if expectation else ""
        return f"{name}{reason} at {path[1] if path else '$'}"
    place = _find_place(error.__traceback__)
    return f"{name} at {place}" if place else name


def format_traceback(error: BaseException) -> str:
    """Return the traceback with the classes of the error and its causes, without their texts."""
    lines = ["Traceback (most recent call last):\n"]
    for link in reversed(list(_iterate_chain(error))):
        lines += traceback.format_tb(link.__traceback__)
        lines.append(f"{type(link).__module__}.{describe_error(link)}\n")
    return "".join(lines).rstrip("\n")


def _iterate_chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _find_place(trace: TracebackType | None) -> str:
    place = ""
    for frame, line in traceback.walk_tb(trace):
        path = Path(frame.f_code.co_filename)
        package = next((part for part in path.parts if part in _OUR_PACKAGES), "")
        if package and "site-packages" not in path.parts:
            inside = path.parts[len(path.parts) - 1 - path.parts[::-1].index(package) :]
            place = f"{'/'.join(inside)}:{line}"
    return place
