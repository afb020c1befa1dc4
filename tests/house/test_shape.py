"""The shape check (`make shape`) notices each kind of offender, with its place."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci" / "shape.py"
_spec = spec_from_file_location("shape", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
shape = sys.modules["shape"] = module_from_spec(_spec)
_spec.loader.exec_module(shape)

GOOD = {
    "portal/code.py": '"""Code."""\n\n' + "def read_code(): ...\n" * 40,
    "tests/test_code.py": "def test_code_is_read(): ...\n",
}
LONG_FUNCTION = "def read_more():\n" + "    ...\n" * 30
OFFENDERS = {
    "one-word function names, in %": ("portal/bad.py", "def settle(): ...\n" * 20, ":1: settle"),
    "docstring lines per 1,000 lines": (
        "portal/bad.py",
        '"""A\n\n\nB."""\n',
        ":1: 4 lines of docstring",
    ),
    "denied names": ("portal/bad.py", "held = 1\n", ":1: held"),
    "words in a test name, median": (
        "tests/test_bad.py",
        "".join(f"def test_a_b_c_d_e_f{n}(): ...\n" for n in range(3)),
        ":1: test_a_b_c_d_e_f0",
    ),
    "test names over 60 characters": (
        "tests/test_bad.py",
        f"def test_{'x' * 60}(): ...\n",
        f":1: test_{'x' * 60}",
    ),
    "lines of a function, 95th percentile": (
        "portal/bad.py",
        LONG_FUNCTION * 3,
        ":1: read_more, 31 lines",
    ),
    "lines of a file, 95th percentile": ("portal/bad.py", "x = 1\n" * 301, ":1: 301 lines"),
}


def _write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_every_bar_has_an_offender() -> None:
    assert OFFENDERS.keys() == shape.BARS.keys()


def test_good_tree_meets_every_bar(tmp_path: Path) -> None:
    _write_tree(tmp_path, GOOD)
    assert [m.name for m in shape.measure_tree(tmp_path) if not m.is_met] == []


@pytest.mark.parametrize("bar", OFFENDERS)
def test_offender_is_named(bar: str, tmp_path: Path) -> None:
    path, text, place = OFFENDERS[bar]
    _write_tree(tmp_path, GOOD | {path: text})
    (measure,) = (m for m in shape.measure_tree(tmp_path) if m.name == bar)
    assert not measure.is_met
    assert path + place in measure.list_worst()


def test_missed_bar_fails_and_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_tree(tmp_path, GOOD)
    assert shape.main(tmp_path) == 0
    assert "Missed" not in capsys.readouterr().out
    _write_tree(tmp_path, {"portal/bad.py": "held = 1\n"})
    assert shape.main(tmp_path) == 1
    output = capsys.readouterr().out
    assert "1  at most   0  denied names" in output
    assert "portal/bad.py:1: held" in output


def test_migrations_and_framework_names_are_not_counted(tmp_path: Path) -> None:
    migration = {"portal/migrations/bad.py": "held = 1\n" * 400}
    framework = {"portal/good.py": "def save(): ...\n@property\ndef size(): ...\n" * 20}
    _write_tree(tmp_path, GOOD | migration | framework)
    assert all(m.is_met for m in shape.measure_tree(tmp_path))
