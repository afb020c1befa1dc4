"""Take JSON apart without recursion, where a decoder gives up on malformed or deep parts."""

from __future__ import annotations

import re

# Possessive, and a string without an end reaches to the end of the body: no text is read twice.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{},]', re.DOTALL)
_ID_PAIR = re.compile(rb'\s*:\s*("?)(\d+)\1\s*[,}]')


def split_array(body: bytes) -> list[bytes] | None:
    """The elements of an array, as they are; None if it is no array or is cut off."""
    body = body.strip()
    if not body.startswith(b"["):
        return None
    elements: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKEN.finditer(body):
        if depth == 0 and token.start():
            return None
        character = token[0]
        if character in (b"[", b"{"):
            depth += 1
        elif character in (b"]", b"}"):
            depth -= 1
        if (character == b"," and depth == 1) or depth == 0:
            elements.append(body[start : token.start()].strip())
            start = token.end()
    if depth or body[start:] or not body.endswith(b"]"):
        return None
    return [] if elements == [b""] else elements


def find_top_level_id(raw: bytes) -> str:
    """The digits of an object's own `id`, not of one within; "" if there is none."""
    depth = 0
    for token in _TOKEN.finditer(raw):
        if token[0] in (b"[", b"{"):
            depth += 1
        elif token[0] in (b"]", b"}"):
            depth -= 1
        elif token[0] == b'"id"' and depth == 1 and (pair := _ID_PAIR.match(raw, token.end())):
            return pair[2].decode()
    return ""
