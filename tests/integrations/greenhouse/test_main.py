"""The command line `python -m integrations.greenhouse`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.__main__ import main
from integrations.greenhouse.sandbox import Sandbox
from tests.conftest import each_refusal

PROJECT = Path(__file__).resolve().parents[3]
NAMES = ("API_KEY", "CLIENT_ID", "CLIENT_SECRET", "READER_ID", "API_URL", "AUTH_URL")


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    for name in NAMES:
        monkeypatch.delenv(f"GREENHOUSE_{name}", raising=False)
    with Sandbox(**{"seed": 7, "jobs": 6, **getattr(request, "param", {})}) as running:
        monkeypatch.setenv("GREENHOUSE_API_URL", running.url)
        monkeypatch.setenv("GREENHOUSE_AUTH_URL", running.url)
        yield running


def set_v3_credential(monkeypatch: pytest.MonkeyPatch, client_id: str, secret: str) -> None:
    monkeypatch.setenv("GREENHOUSE_CLIENT_ID", client_id)
    monkeypatch.setenv("GREENHOUSE_CLIENT_SECRET", secret)


def test_check_passes_full_credential(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_v3_credential(monkeypatch, greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "0 missing, 0 unclear" in out
    assert greenhouse.ACME_V3_CLIENT_SECRET not in out


def test_check_names_missing_permissions(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENHOUSE_API_KEY", greenhouse.ACME_V1_KEY_LIMITED)
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert " NO  Applications › Post: Reject Application" in out
    assert "The Reject button is off." in out
    assert "Manage Permissions" in out


@pytest.mark.parametrize("generation", [1, 3])
def test_jobs_are_listed_without_templates(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    generation: int,
) -> None:
    if generation == 1:
        monkeypatch.setenv("GREENHOUSE_API_KEY", greenhouse.ACME_V1_KEY)
    else:
        set_v3_credential(
            monkeypatch, greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET
        )
    assert main(["jobs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == sandbox.count_records()["requisitions"]
    assert all(line.split("\t")[0].isdigit() for line in lines)


@each_refusal
def test_errors_have_message_and_exit_code(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 2
    assert "GREENHOUSE_CLIENT_ID" in capsys.readouterr().err
    monkeypatch.setenv("GREENHOUSE_API_KEY", "wrong")
    assert main(["jobs"]) == 3
    assert "doesn't accept this API key" in capsys.readouterr().err
    set_v3_credential(monkeypatch, "a", "b")
    assert main(["jobs"]) == 2
    monkeypatch.delenv("GREENHOUSE_API_KEY")
    assert main(["jobs"]) == 3
    client = sandbox.credentials.create_client(reader_is_site_admin=False)
    set_v3_credential(monkeypatch, client.client_id, client.client_secret)
    assert main(["jobs"]) == 1
    assert "Site Admin" in capsys.readouterr().err


def test_unavailable_greenhouse_is_reported(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENHOUSE_API_KEY", greenhouse.ACME_V1_KEY)
    monkeypatch.setattr("integrations.greenhouse.transport.sender.MAX_ATTEMPTS", 1)
    sandbox.faults.add_fault("/v1", status=503, times=None)
    assert main(["jobs"]) == 4
    assert "Couldn't reach Greenhouse" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sandbox", "contradicted"),
    [
        ({"jobs": 20}, []),
        ({"jobs": 20, "single_active_token": True}, ["A new token leaves"]),
        ({"jobs": 20, "stage_id": "job_stage"}, ["An application's stage_id"]),
        ({"jobs": 20, "job_interview_stage_id": False}, ["Applications carry"]),
    ],
    indirect=["sandbox"],
)
def test_facts_give_verdict_per_assumption(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    contradicted: list[str],
) -> None:
    set_v3_credential(monkeypatch, greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    assert main(["facts"]) == bool(contradicted)
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith("contradicted")]
    assert [line[16:][: len(name)] for line, name in zip(lines, contradicted, strict=True)] == (
        contradicted
    )
    assert out.count("confirmed  ") > 8
    assert {request.method for request in sandbox.requests} <= {"GET", "POST"}
    assert greenhouse.ACME_V3_CLIENT_SECRET not in out
    assert "@" not in out
    assert not any(job.name in out for job in sandbox.dataset().jobs)


def test_every_documented_assumption_has_a_verdict(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENHOUSE_API_KEY", greenhouse.ACME_V1_KEY)
    main(["facts"])
    monkeypatch.delenv("GREENHOUSE_API_KEY")
    set_v3_credential(monkeypatch, greenhouse.ACME_V3_CLIENT_ID, greenhouse.ACME_V3_CLIENT_SECRET)
    main(["facts"])
    verdicts = capsys.readouterr().out
    text = (PROJECT / "docs/sandbox.md").read_text().partition("## Assumptions")[2]
    bullets = re.findall(r"^- \*\*.*?\*\*.*?: (.*)\.$", text.partition("\n## ")[0], re.MULTILINE)
    assumptions = [part.strip() for bullet in bullets for part in bullet.split(";")]
    assert len(assumptions) >= 40
    assert [a for a in assumptions if f"  {a.replace('`', '')} (" not in verdicts] == []


def test_facts_work_with_api_key(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GREENHOUSE_API_KEY", greenhouse.ACME_V1_KEY)
    assert main(["facts"]) == 0
    assert "confirmed       Lists are by ascending ID" in capsys.readouterr().out
