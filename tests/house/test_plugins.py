"""The suite's own plugins: deselection, the ledger of what ran, and marker reasons."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
find_missing = runpy.run_path(str(PROJECT / ".ci" / "every_test_ran.py"))["find_missing"]


def _run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with this project's settings and plugins on the tests of a folder."""
    return subprocess.run(  # noqa: S603  (our own interpreter)
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"),
            *("-c", str(PROJECT / "pyproject.toml"), str(folder), *arguments),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow("starts pytest in a process of its own")
def test_ledger_lists_deselected_and_ran_tests(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(
        "import pytest\n"
        "def test_plain(): pass\n"
        "@pytest.mark.postgres\n"
        "def test_postgres(): pass\n"
        "@pytest.mark.sqlite\n"
        "def test_sqlite(): pass\n"
    )
    ledger = tmp_path / "ledger"
    _run_pytest(tmp_path, "--ledger", str(ledger), "-m", "not sqlite")
    collected = (tmp_path / "ledger.collected").read_text().splitlines()
    ran = (tmp_path / "ledger.ran").read_text().splitlines()
    assert [nodeid.split("::")[1] for nodeid in collected] == [
        "test_plain",
        "test_postgres",
        "test_sqlite",
    ]
    assert "test_sqlite" not in {nodeid.split("::")[1] for nodeid in ran}
    assert set(find_missing([str(ledger)])) == set(collected) - set(ran)


@pytest.mark.slow("starts pytest in a process of its own")
def test_slow_marker_needs_reason(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(
        "import pytest\n@pytest.mark.slow\ndef test_plain(): pass\n"
    )
    result = _run_pytest(tmp_path)
    assert result.returncode != 0
    assert "needs a reason" in result.stdout + result.stderr


def test_missing_tests_found_across_runs(tmp_path: Path) -> None:
    for name, collected, ran in (("a", "1 2 3", "1"), ("b", "2 3", "3")):
        (tmp_path / f"{name}.collected").write_text("\n".join(collected.split()))
        (tmp_path / f"{name}.ran").write_text("\n".join(ran.split()))
    assert find_missing([str(tmp_path / "a"), str(tmp_path / "b")]) == ["2"]
