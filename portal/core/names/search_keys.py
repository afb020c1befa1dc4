"""Search keys of names: a name is found however it is typed.

A key is stored beside the name (`SearchNameField`), so that PostgreSQL can index it and SQLite,
which ignores case only in ASCII, finds the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db.models import Q

MAX_KEY_LENGTH = 1000
Words = tuple[tuple[tuple[str, ...], ...], ...]  # of a query: the tokens of each spelling
# Equals no key. Not `pk__in=()`: Django leaves such a subquery out, which some SQL cannot be.
_NO_KEY = "-"
MAX_QUERY_WORDS = 20  # further ones are not compared
# Marks of letters and vowel signs that many leave out. Marks that make other letters (kana,
# Indic vowels) stay.
_OPTIONAL_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a"
    "\u0640\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]"
)
_APOSTROPHES = re.compile(
    "['`\u00b4\u02b9-\u02bf\u02c8\u05f3\u2018-\u201b\u2032\u2035\ua78b\ua78c]"
)
# Letters that have no decomposition.
_PLAIN_LETTERS = str.maketrans(
    {
        "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h",
        "ı": "i", "ĸ": "k", "ŋ": "n", "ŧ": "t", "ŀ": "l", "ƒ": "f", "ə": "e", "ɛ": "e", "ɔ": "o",
        "ɖ": "d", "ɗ": "d", "ɓ": "b", "ƙ": "k", "ƴ": "y", "ƀ": "b", "ǥ": "g", "ȷ": "j", "ɨ": "i",
        "ʉ": "u", "ƶ": "z", "ȥ": "z", "ɫ": "l", "ɉ": "j", "ⱥ": "a", "ɇ": "e", "ɵ": "o", "ς": "σ",
    }
)  # fmt: skip
# How the same letters are written where their dots or rings are not available.
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_NO_SPACE_SCRIPTS = re.compile(
    "[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)
_WORD = re.compile(r"[^\W_]+(?:[\u0900-\u0dff\u0e00-\u0eff\u3099\u309a]+[^\W_]*)*")


def build_search_key(*parts: str) -> str:
    """Return the text that `match_name` searches: `parts` are a given name and a family name, or
    one full name.
    """
    name = " ".join(parts)
    if name.isascii():
        plain, letters = name.lower(), name.replace(" ", "")
        if letters.isalnum():  # most names: nothing to fold, and each word is a token
            return " ".join(dict.fromkeys(plain.split()))[:MAX_KEY_LENGTH]
        if not letters:
            return ""
    keys = tokens = _split_tokens(name)
    if not name.isascii():
        spelled_out = _spell_out(name)
        if spelled_out != _spell_plainly(name):
            keys = [*tokens, *_split_tokens(spelled_out)]
        if len(tokens) > 1 and _NO_SPACE_SCRIPTS.search(name):
            # Written without a blank, family name first.
            joined = ["".join(_split_tokens(part)) for part in parts]
            keys = [*keys, "".join(reversed(joined)), "".join(joined)]
    if "-" in name or len(tokens) > name.count(" ") + 1:
        keys = [*keys, *filter(None, map(_join_hyphenated, name.split()))]
    return " ".join(dict.fromkeys(keys))[:MAX_KEY_LENGTH]


def match_name(field: str, query: str) -> Q:
    """Match names that contain every word of the query, in any order."""
    return match_keys((field,), query)


def match_keys(fields: Sequence[str], query: str) -> Q:
    """Match rows whose keys together contain every word of the query, in any order."""
    return match_words(fields, parse_words(query))


def parse_words(query: str) -> Words:
    """Empty if the query has no letter."""
    if not count_letters(query):
        return ()
    parsed_words = []
    for typed in query.split()[:MAX_QUERY_WORDS]:
        spellings = dict.fromkeys(
            tuple(_split_tokens(spelling)) for spelling in (typed, _spell_out(typed))
        )
        parsed_words.append(tuple(tokens[:MAX_QUERY_WORDS] for tokens in spellings))
    return tuple(parsed_words)


def match_words(fields: Sequence[str], query_words: Words) -> Q:
    if not query_words:
        return Q(**{fields[0]: _NO_KEY})
    matches = Q()
    for spellings in query_words:
        matches &= reduce(or_, (_match_any_field(fields, tokens) for tokens in spellings))
    return matches


def match_title(query: str) -> Q:
    """Match the text itself, symbols included, or all its words.

    Not the words alone: “C++” would match every title with a C.
    """
    return match_title_words(query, parse_title(query))


def parse_title(query: str) -> Words:
    return parse_words(query) if count_letters(query) > 2 else ()


def match_title_words(text: str, title_words: Words) -> Q:
    exact = Q(name__icontains=text)
    return exact | match_words(("search_name",), title_words) if title_words else exact


def matches_text(text: str, query: str) -> bool:
    """Whether the text contains every word of the query, in any order, as `match_name` does."""
    key = build_search_key(text)
    return all(
        any(
            all(token in key for token in _split_tokens(spelling))
            for spelling in {typed, _spell_out(typed)}
        )
        for typed in query.split()[:MAX_QUERY_WORDS]
    )


def may_be_name(query: str) -> bool:
    """Whether the query is more than a letter with symbols: “C++” is nobody with a C."""
    return count_letters(query) > 1 or len(query) == 1 or not query.isascii()


def count_letters(query: str) -> int:
    return sum(map(len, _split_tokens(query)))


def is_same_name(first: str, second: str) -> bool:
    tokens = sorted(_split_tokens(first))
    return bool(tokens) and tokens == sorted(_split_tokens(second))


def _match_any_field(fields: Sequence[str], tokens: Sequence[str]) -> Q:
    return reduce(or_, (_match_tokens(field, tokens) for field in fields))


def _match_tokens(field: str, tokens: Sequence[str]) -> Q:
    matches = Q()
    for word in tokens:
        matches &= Q(**{f"{field}__contains": word})
    return matches


def _split_tokens(text: str) -> list[str]:
    return _WORD.findall(_fold(text))


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower().replace("'", "").replace("`", "")
    folded = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", text))
    folded = _OPTIONAL_MARKS.sub("", folded).casefold().translate(_PLAIN_LETTERS)
    if not folded.isprintable():
        folded = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    # Composed again, so that Hangul syllables are compared whole, and casefold's marks removed.
    return unicodedata.normalize("NFC", _OPTIONAL_MARKS.sub("", folded))


def _spell_out(text: str) -> str:
    return _spell_plainly(text).translate(_SPELLED_OUT)


def _spell_plainly(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def _join_hyphenated(word: str) -> str:
    parts = _split_tokens(word)
    return "".join(parts) if len(parts) > 1 else ""
