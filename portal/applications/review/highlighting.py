"""Marking a person's own words in a text. Nothing is ordered or counted out by them."""

from __future__ import annotations

import re


def list_words(terms: str) -> list[str]:
    """Each of the comma-separated terms once, whatever its case."""
    unique_words = {word.strip().casefold(): word.strip() for word in terms.split(",")}
    return [word for word in unique_words.values() if word]


def highlight_words(text: str, terms: str) -> list[tuple[str, bool]]:
    """Split the text into pieces, each flagged if it matches a term (comma-separated)."""
    unique_words = list_words(terms)
    if not unique_words:
        return [(text, False)]
    # Longest first, since the first alternative wins: "C" is a prefix of "C++".
    pattern = "|".join(
        _build_word_pattern(word) for word in sorted(unique_words, key=len, reverse=True)
    )
    pieces = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return [(piece, index % 2 == 1) for index, piece in enumerate(pieces) if piece]


def _build_word_pattern(word: str) -> str:
    """Whole words only: “Go” does not match in “Google”."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", word) else ""
    return f"{before}{re.escape(word)}{after}"
