"""Strings don't point upwards: task paths, URL names and URLs of higher packages.

Imports are checked by import-linter. A string that names a higher package is allowed only in
`portal.core.links` and `portal.wiring`; templates use `{% page_url %}`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

from portal.core import links
from portal.wiring import schedules

PROJECT = Path(__file__).resolve().parents[2]
PORTAL = PROJECT / "portal"
ALLOWED = {PORTAL / "core" / "links.py"}
TEMPLATES = PROJECT / "templates"
# Folders that are not named like their package. Templates in no folder are the whole site's.
TEMPLATE_PACKAGES = {
    "account": "signin",
    "admin": "support",
    "allauth": "signin",
    "mfa": "signin",
    "socialaccount": "signin",
    "usersessions": "signin",
    "components": "web",
}
URL_TAG = re.compile(r"""{%\s*url\s+["']([^"']+)["']""")
PAGE_URL_TAG = re.compile(r"""{%\s*page_url\s+["']([^"']+)["']""")
TEMPLATE_REFERENCE = re.compile(r"""{%\s*(?:include|extends)\s+["'](\w+)/""")
LITERAL_PATH = re.compile(r"""(?:href|action|hx-get|hx-post)=["'](/[^"'{?#]*)""")
REVERSING_FUNCTIONS = {"redirect", "reverse", "reverse_cached", "reverse_lazy", "resolve_url"}


@dataclass
class UrlTable:
    """Which package each URL belongs to."""

    namespaces: dict[str, str] = field(default_factory=lambda: {"admin": "support"})
    names: dict[str, str] = field(default_factory=dict)  # without a namespace
    routes: list[tuple[re.Pattern[str], str]] = field(default_factory=list)

    @classmethod
    def read(cls) -> UrlTable:
        table = cls()
        table._add_routes(ast.parse((PORTAL / "urls.py").read_text()), "urls", {}, "/")
        return table

    def _add_routes(
        self, tree: ast.AST, package: str, namespace: dict[str, str], prefix: str
    ) -> None:
        for call in _iterate_calls(tree, {"path"}):
            route = _get_constant(call.args[0]) or ""
            included = next(_iterate_calls(call.args[1], {"include"}), None)
            target = _get_constant(included.args[0]) if included else None
            if target and (match := re.fullmatch(r"portal\.(\w+)\.urls", target)):
                self._add_package(match[1], prefix + route)
                continue
            pattern = re.sub(r"<[^>]+>", "[^/]+", prefix + route)
            self.routes.append((re.compile(pattern), package))
            names = [_get_constant(k.value) for k in call.keywords if k.arg == "name"]
            if not namespace:
                self.names |= {name: package for name in names if name}

    def _add_package(self, package: str, prefix: str) -> None:
        tree = ast.parse((PORTAL / package / "urls.py").read_text())
        namespace = {
            value: package
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and _get_name(node.targets[0]) == "app_name"
            if (value := _get_constant(node.value))
        }
        self.namespaces |= namespace
        self._add_routes(tree, package, namespace, prefix)


class WiringCheck:
    @cached_property
    def urls(self) -> UrlTable:
        return UrlTable.read()

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Packages by height; siblings share one."""
        settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
        layers = next(c["layers"] for c in settings["contracts"] if c["id"] == "packages")
        return {
            package.strip(" ()"): rank
            for rank, layer in enumerate(reversed(layers))
            for package in layer.split("|")
        }

    def find_upward_strings(self, source: str, package: str) -> list[str]:
        tree = ast.parse(source)
        references = [
            (node.lineno, text, owner)
            for node, text in _iterate_strings(tree)
            for owner in self._find_owners(text)
        ]
        for call in _iterate_calls(tree, REVERSING_FUNCTIONS):
            references += [
                (node.lineno, text, self.urls.names[text])
                for argument in call.args[:1]
                for node, text in _iterate_strings(argument)
                if text in self.urls.names
            ]
        return [
            f"line {line}: “{text}” belongs to {owner}"
            for line, text, owner in references
            if self._points_upward(owner, package)
        ]

    def find_upward_references(self, template: str, package: str) -> list[str]:
        """URL names, paths and other templates of higher packages."""
        references = [
            (name, self.urls.names[name])
            for name in URL_TAG.findall(template)
            if name in self.urls.names
        ]
        references += [
            (text, owner)
            for text in URL_TAG.findall(template) + LITERAL_PATH.findall(template)
            for owner in self._find_owners(text)
        ]
        references += [
            (folder, TEMPLATE_PACKAGES.get(folder, folder))
            for folder in TEMPLATE_REFERENCE.findall(template)
            if folder != "components"  # for every package, as base.html is
        ]
        return [
            f"“{text}” belongs to {owner}"
            for text, owner in references
            if self._points_upward(owner, package)
        ]

    def _points_upward(self, owner: str, package: str) -> bool:
        return owner != package and self.ranks.get(owner, -1) >= self.ranks[package]

    def _find_owners(self, text: str) -> Iterator[str]:
        if match := re.fullmatch(r"portal\.(\w+)\.[\w.]+", text):
            yield match[1]
        elif match := re.fullmatch(r"(\w+):\w*", text):  # also the start of an f-string
            if match[1] in self.urls.namespaces:
                yield self.urls.namespaces[match[1]]
        elif text.startswith("/") and text != "/":
            yield from (owner for route, owner in self.urls.routes if route.fullmatch(text))


def _iterate_strings(tree: ast.AST) -> Iterator[tuple[ast.Constant, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value


def _iterate_calls(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _get_name(node.func) in names:
            yield node


def _get_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _get_constant(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


CHECK = WiringCheck()
FILES = [
    path
    for path in sorted(PORTAL.glob("*/**/*.py"))
    if "migrations" not in path.parts and path not in ALLOWED
]


@pytest.mark.slow("parses every module of the portal")
def test_no_string_points_to_a_higher_package() -> None:
    problems = [
        f"{path.relative_to(PROJECT)}, {problem}"
        for path in FILES
        for problem in CHECK.find_upward_strings(
            path.read_text(), path.relative_to(PORTAL).parts[0]
        )
    ]
    assert not problems, "\n".join(problems)


def test_no_template_points_to_a_higher_package() -> None:
    problems = [
        f"{path.relative_to(PROJECT)}: {problem}"
        for path in sorted(TEMPLATES.glob("*/**/*.*"))
        for problem in CHECK.find_upward_references(path.read_text(), _get_template_package(path))
    ]
    assert not problems, "\n".join(problems)


def _get_template_package(path: Path) -> str:
    folder = path.relative_to(TEMPLATES).parts[0]
    return TEMPLATE_PACKAGES.get(folder, folder)


def test_page_links_in_templates_exist() -> None:
    names = {
        name for path in TEMPLATES.rglob("*.*") for name in PAGE_URL_TAG.findall(path.read_text())
    }
    assert names
    assert not {name for name in names if not hasattr(links, name)}


def test_all_schedules_are_collected() -> None:
    collected = {task.__module__ for tasks in schedules.SCHEDULES for task in tasks}
    modules = [path for path in PORTAL.glob("*/tasks.py") if "\nSCHEDULES =" in path.read_text()]
    assert collected == {f"portal.{path.parent.name}.tasks" for path in modules}


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("connections", 'TASK = "portal.onboarding.tasks.delete_synced_data"'),
        ("sync", 'enqueue_task("portal.jobs.tasks.update_counts", 1)'),
        ("webhooks", 'redirect("onboarding:setup")'),
        ("issues", 'PAGES = {"a": "onboarding:sync"}'),
        ("notifications", 'reverse("admin:accounts_organization_summary", args=[1])'),
        ("jobs", "reverse(f'applications:{name}')"),
        ("accounts", 'redirect("jobs:list" if member else "home")'),
        ("web", 'redirect("account_login")'),
        ("members", 'redirect("home")'),
        ("connections", 'path = "/setup/permissions/"'),
        ("connections", 'path = "/account/greenhouse/"'),
    ],
)
def test_upward_string_is_found(package: str, source: str) -> None:
    assert CHECK.find_upward_strings(source, package)


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("applications", 'redirect("applications:batch", pk=1)'),
        ("onboarding", 'redirect("webhooks:setup")'),
        ("sync", 'TASK = "portal.sync.tasks.run_sync"'),
        ("jobs", "reverse(links.JOB_PAGE)"),
        ("core", 'note = "home"'),
        ("onboarding", 'path = "/setup/permissions/"'),
    ],
)
def test_other_strings_are_allowed(package: str, source: str) -> None:
    assert not CHECK.find_upward_strings(source, package)


@pytest.mark.parametrize(
    ("package", "template"),
    [
        ("jobs", '{% url "onboarding:setup" as setup_url %}'),
        ("applications", "{% url 'onboarding:people' %}"),
        ("web", '{% url "account_login" %}'),
        ("signin", '<a href="/requisitions/">Requisitions</a>'),
        ("jobs", '{% include "applications/_row.html" %}'),
    ],
)
def test_upward_template_reference_is_found(package: str, template: str) -> None:
    assert CHECK.find_upward_references(template, package)


@pytest.mark.parametrize(
    ("package", "template"),
    [
        ("applications", '{% url "jobs:list" %}'),
        ("onboarding", '{% url "onboarding:setup" %}'),
        ("jobs", '{% page_url "SETUP" %}'),
        ("jobs", '{% include "components/_field.html" %}'),
        ("accounts", '<a href="/">Home</a>'),
    ],
)
def test_other_template_references_are_allowed(package: str, template: str) -> None:
    assert not CHECK.find_upward_references(template, package)
