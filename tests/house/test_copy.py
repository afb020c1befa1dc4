"""Product copy is plain English: no phrase of the old idiom, no long sentence, one apostrophe."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
MAX_WORDS = 25
DENIED = (
    r"e-mails?",
    r"set-up",
    r"web hook(?!s)",
    r"mails? to you",
    r"please",
    r"sorry",
    r"oops",
    r"goe?s? on",
    r"going on by",
    r"by (?:it|our)sel(?:f|ves)",
    r"once more",
    r"mend(?:s|ed)?",
    r"lately",
    r"meanwhile",
    r"parted by",
    r"none named",
    r"openings left",
    r"waiting longest",
    r"all the same",
    r"do(?:es)? not belong together",
    r"at the customer",
    r"is no site admin",
    r"tak(?:e|es|en|ing) (?:it |them )?back",
    r"take \w[\w ]{0,40} out",
    r"what came of it",
    r"how it stands",
    r"stands? (?:here|there|beside|still|in the|now)",
    r"ticked ones",
    r"look again",
    r"place of record",
    r"a lot at once",
    r"nothing is known to be",
    r"is all of this so",
    r"none of them stops you",
    r"may do the same",
    r"knows no password",
    r"slipped through",
    r"f[ae]ll(?:en)? silent",
    r"look as",
    r"put aside",
    r"not kept true",
    r"on (?:its|their) way",
    r"has retired",
    r"tick(?:s|ed)?",
    r"one mail",
    r"(?:is|are) (?:seen|visible|right) at once",
    r"what we hold",
    r"everybody else",
)
DENIED_PATTERN = re.compile(rf"\b(?:{'|'.join(DENIED)})\b", re.I)

COMMENT = re.compile(r"{#.*?#}|{% comment.*?endcomment %}|<!--.*?-->", re.S)
# Attributes and arguments that people read or hear.
READ_ARGUMENT = re.compile(
    r"\b(?:text|title|what|why|who|more|label|action|second|aria-label|placeholder|alt)="
    r'"((?:[^"{}]|{{.*?}})*)"'
)
INLINE_TAG = re.compile(r"</?(?:a|abbr|b|code|em|i|kbd|span|strong)\b[^>]*>", re.I)
TAG_OR_BLOCK = re.compile(r"<[^>]*>|{%.*?%}", re.S)
VARIABLE = re.compile(r"{{.*?}}", re.S)
SENTENCE_END = re.compile(r"[.!?:](?=\s|$)")
WORD = re.compile(r"[\w'’-]+")


def list_template_sentences(template: str) -> list[str]:
    """Split a template's visible text, and the texts it passes on, into sentences."""
    template = COMMENT.sub("", template)
    texts = READ_ARGUMENT.findall(template)
    body = INLINE_TAG.sub("", VARIABLE.sub("value", template))
    texts += TAG_OR_BLOCK.sub("\n\n", body).split("\n\n")
    sentences = (part for text in texts for part in SENTENCE_END.split(VARIABLE.sub("value", text)))
    return [" ".join(sentence.split()) for sentence in sentences if sentence.strip()]


def list_denied_phrases(text: str) -> list[str]:
    return DENIED_PATTERN.findall(text)


TEMPLATES = (*PROJECT.glob("templates/**/*.html"), *PROJECT.glob("templates/**/*.txt"))
SOURCES = [
    path
    for folder in ("portal", "integrations")
    for path in (PROJECT / folder).rglob("*.py")
    if not {"migrations", "sandbox"} & set(path.parts)
]


def _list_offending(texts: Iterator[tuple[Path, str]]) -> list[str]:
    return [f"{path.relative_to(PROJECT)}: {text}" for path, text in texts]


def _read_templates() -> Iterator[tuple[Path, str]]:
    for path in TEMPLATES:
        for sentence in list_template_sentences(path.read_text()):
            yield path, sentence


def test_templates_have_no_denied_phrase() -> None:
    denied = ((path, text) for path, text in _read_templates() if list_denied_phrases(text))
    assert _list_offending(denied) == []


def test_templates_have_no_long_sentence() -> None:
    texts = _read_templates()
    long = ((path, text) for path, text in texts if len(WORD.findall(text)) > MAX_WORDS)
    assert _list_offending(long) == []


def test_sources_have_no_denied_phrase() -> None:
    texts = ((path, text) for path in SOURCES for text in _list_copy(ast.parse(path.read_text())))
    denied = ((path, text) for path, text in texts if list_denied_phrases(text))
    assert _list_offending(denied) == []


def test_apostrophes_are_straight() -> None:
    documents = (*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("static/js/*.js"))
    paths = (*TEMPLATES, *SOURCES, *documents)
    assert [
        str(path) for path in paths if "\N{RIGHT SINGLE QUOTATION MARK}" in path.read_text()
    ] == []


def _list_copy(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of a module that may be copy: neither docstrings nor identifiers."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings and " " in node.value:
            yield node.value


@pytest.mark.parametrize(
    "text",
    ["Is all of this so?", "Please paste the key.", "Take Sam Okafor out?", "Go on", "It goes on."],
)
def test_old_phrase_is_found(text: str) -> None:
    assert list_denied_phrases(text)


def test_sentences_of_template() -> None:
    template = (
        '<p>Hello <b>{{ name }}</b>. {% if x %}Bye{% endif %}</p>{# no #}{% include "a" with '
        'title="Two words" %}<button aria-label="Reject {{ name }}"></button>'
    )
    expected = {"Hello value", "Bye", "Two words", "Reject value"}
    assert set(list_template_sentences(template)) == expected
