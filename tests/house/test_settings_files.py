""".env.example, README.md and compose.yaml name the settings that the code reads."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo_process import PROJECT

CREATE = [str(PROJECT / "docs" / "deploy" / "create-env"), "portal.test"]
COMPOSE_ONLY = {"POSTGRES_PASSWORD"}
EXAMPLE = (PROJECT / ".env.example").read_text()
DEVELOPMENT_ONLY = {"DEBUG"}


def _list_read_settings() -> set[str]:
    settings = (PROJECT / "portal" / "settings.py").read_text()
    gunicorn = (PROJECT / "gunicorn.conf.py").read_text()
    names = re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", settings)
    return {*names, *re.findall(r"environ\.get\(['\"]([A-Z_]+)['\"]", gunicorn)}


def _list_example_settings() -> list[str]:
    return re.findall(r"^#?([A-Z][A-Z_]+)=", EXAMPLE, re.M)


def test_example_has_every_setting_once() -> None:
    names = _list_example_settings()
    assert len(names) == len(set(names))
    assert set(names) == _list_read_settings() | COMPOSE_ONLY


def test_example_explains_every_setting() -> None:
    blocks = EXAMPLE.split("\n\n")
    for block in blocks:
        lines = block.splitlines()
        if any(re.match(r"#?[A-Z][A-Z_]+=", line) for line in lines):
            assert re.match(r"# \w", lines[0]), f"no explanation: {block}"


def test_readme_lists_every_setting() -> None:
    readme = (PROJECT / "README.md").read_text()
    rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", readme, re.M)
    listed = {name for row in rows for name in re.findall(r"[A-Z_]+", row)}
    assert listed == _list_read_settings() - DEVELOPMENT_ONLY


def test_example_defaults_are_those_of_the_code() -> None:
    settings = (PROJECT / "portal" / "settings.py").read_text()
    for name, value in re.findall(r"^#([A-Z_]+)=(.+)$", EXAMPLE, re.M):
        call = re.search(rf"env\.\w+\(\s*\"{name}\",\s*default=([^)\n]+?),?\s*\)", settings)
        if call and re.fullmatch(r"[\d.]+|\"[^\"{]*\"|True|False", call[1]):
            default = call[1].strip('"').removesuffix(".0").lower()
            assert value.removesuffix(".0").lower() == default, name


@pytest.fixture(scope="module")
def created_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("compose") / ".env"
    subprocess.run([*CREATE, str(file)], check=True)  # noqa: S603  (ours)
    return file


@pytest.fixture(scope="module")
def created_environment(created_file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", created_file.read_text(), re.M))


def test_created_environment_is_private_and_kept(created_file: Path) -> None:
    assert created_file.stat().st_mode & 0o077 == 0
    before = created_file.read_text()
    again = subprocess.run([*CREATE, str(created_file)], capture_output=True, check=False)  # noqa: S603
    assert (again.returncode, created_file.read_text()) == (1, before)


def test_created_environment_starts_the_portal(created_environment: dict[str, str]) -> None:
    assert created_environment["ALLOWED_HOSTS"] == "portal.test"
    assert all(created_environment.values()), "every required setting has a value"
    keys = {name: value for name, value in created_environment.items() if "KEY" in name}
    assert len(set(keys.values())) == len(keys) == 3
    result = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=PROJECT,
        env={
            **created_environment,
            "PATH": "/usr/bin:/bin",
            "DATABASE_URL": "postgres://portal@127.0.0.1/portal",
            "REDIS_URL": "redis://127.0.0.1/0",
            "TRUSTED_PROXIES": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_compose_runs_every_lane() -> None:
    compose = (PROJECT / "compose.yaml").read_text()
    lanes = set(re.findall(r"QUEUE_LANES: (\w+)", compose))
    assert lanes == {"clicks", "checks", "syncs"}
    required = set(re.findall(r"\$\{([A-Z_]+):\?", compose))
    assert required <= set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.M))
    for path in re.findall(r"- \./([\w./]+):", compose):
        assert Path(PROJECT / path).exists(), path


def test_compose_asks_database_over_network() -> None:
    # While it initializes, PostgreSQL's image runs a server that listens on its socket alone.
    compose = (PROJECT / "compose.yaml").read_text()
    assert '"pg_isready -h 127.0.0.1 ' in compose


def test_processes_of_a_machine_share_their_metrics() -> None:
    folder = PROJECT / "docs" / "deploy"
    for unit in ("portal-web.service", "portal-worker@.service"):
        text = (folder / unit).read_text()
        assert "\nEnvironment=METRICS_DIR=/run/portal-metrics\n" in text
        assert "\nRuntimeDirectory=portal-metrics\nRuntimeDirectoryPreserve=yes\n" in text
    compose = (PROJECT / "compose.yaml").read_text()
    shared = re.search(r"METRICS_DIR: (\S+)", compose)
    user = re.search(r"useradd .*--uid (\d+)", (PROJECT / "Dockerfile").read_text())
    assert shared
    assert user
    assert f'volumes: ["metrics:{shared[1]}"]' in compose
    assert f'o: "uid={user[1]},' in compose
