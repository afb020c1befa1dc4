"""Names as people and Greenhouse write them: shown safely, and compared in searches."""

from __future__ import annotations

import re
import unicodedata

# Embeddings, overrides and isolates, which can turn the text after them around.
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_LINE_BREAKS_AND_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_RIGHT_TO_LEFT_CLASSES = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
# Letters and symbols that are drawn as nothing.
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Cs", "Mn", "Me", "Zs", "Zl", "Zp"})


def clean_name(text: str) -> str:
    """Put a name on one line, with single blanks and without bidirectional controls."""
    if not text or (text.isascii() and text.isprintable() and "  " not in text):
        return text.strip()
    return " ".join(_LINE_BREAKS_AND_CONTROLS.sub(" ", _BIDI_CONTROLS.sub("", text)).split())


def is_single_line(text: str) -> bool:
    return not _LINE_BREAKS_AND_CONTROLS.search(text) and not _BIDI_CONTROLS.search(text)


def is_visible(text: str) -> bool:
    """Whether at least one character of the text can be seen."""
    if text.isascii() and text.isprintable():
        return not text.isspace() and text != ""
    return any(
        (character.isascii() and not character.isspace() and character.isprintable())
        or (
            character not in _BLANK_CHARACTERS
            and unicodedata.category(character) not in _INVISIBLE_CATEGORIES
        )
        for character in text
    )


def is_right_to_left(text: str) -> bool:
    """Whether any of the text may turn the text around it."""
    return not text.isascii() and any(
        unicodedata.bidirectional(character) in _RIGHT_TO_LEFT_CLASSES for character in text
    )


def format_name(*parts: str) -> str:
    """Return the parts as one name, or "" if nothing of it can be seen."""
    name = clean_name(" ".join(parts))
    return name if is_visible(name) else ""


def format_person_name(first: str, last: str, preferred: str) -> str:
    """The name a person goes by: a preferred name stands in for the first name. [Whether it may
    include the family name is not documented, so that is not repeated.]
    """
    if not preferred or not is_visible(preferred):
        return format_name(first, last)
    includes_last = last.strip() and preferred.casefold().endswith(last.strip().casefold())
    return format_name(preferred) if includes_last else format_name(preferred, last)


def format_unnamed(remote_id: int) -> str:
    """What stands for a Greenhouse record without a visible name."""
    return f"No name ({remote_id})"


def clean_person_name(text: str) -> str:
    """Clean part of a name from Greenhouse. Text that becomes empty stays: only erased people have
    no name at all.
    """
    return clean_name(text) or text


def clean_title(text: str, remote_id: int) -> str:
    """Clean the name of a requisition, stage, reason and the like, which is never shown empty."""
    return format_name(text) or format_unnamed(remote_id)
