"""The steps of CI that look for weak dependencies and for secrets tell the truth."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

CI = Path(__file__).resolve().parents[2] / ".ci"
judge_audit = runpy.run_path(str(CI / "audit.py"))["judged"]
secrets = runpy.run_path(str(CI / "secrets.py"))

SAFE = {"name": "django", "version": "5.2.19", "vulns": []}
UNKNOWN = {"name": "nh3", "skip_reason": "not found"}
VULNERABLE = {
    "name": "old",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}],
}


def _build_report(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies})


@pytest.mark.parametrize(
    ("report", "stderr"),
    [
        ("", "connection refused"),
        ("nonsense", ""),
        (_build_report(UNKNOWN), ""),
        (_build_report(), ""),
    ],
)
def test_failed_audit_is_not_reported_as_passed(
    report: str, stderr: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUDIT_REQUIRED", raising=False)
    sentence, passed = judge_audit(1, report, stderr)
    assert (sentence.startswith("NOT AUDITED"), passed) == (True, True)
    monkeypatch.setenv("AUDIT_REQUIRED", "true")
    assert judge_audit(1, report, stderr) == (sentence, False)


def test_a_weak_dependency_fails_and_says_what_mends_it() -> None:
    sentence, passed = judge_audit(1, _build_report(SAFE, VULNERABLE, UNKNOWN), "")
    assert not passed
    assert "old 1.0: PYSEC-2026-1, mended in 1.1" in sentence


def test_what_was_not_looked_at_is_named_beside_what_was() -> None:
    sentence, passed = judge_audit(0, _build_report(SAFE, UNKNOWN), "")
    assert passed
    assert sentence == (
        "1 locked dependencies have no known vulnerability. "
        "NOT AUDITED, since the service does not know them: nh3."
    )
    assert judge_audit(0, _build_report(SAFE), "") == (sentence.split(" NOT")[0], True)


def test_a_secret_is_found_until_somebody_accepts_it(tmp_path: Path) -> None:
    value = "".join(reversed("Wq9xLcVb81Ra5TzUo3Yd7HnMe2KsPj4G"))
    key = "AKI" + "AQWERTYUIOPASDFGH"
    (tmp_path / "settings.py").write_text(f'made_up = "{value}"\nother = "{key}"\n')
    (tmp_path / "plain.py").write_text('words = "a sentence without any of that"\n')
    findings = secrets["look"](tmp_path, ["settings.py", "plain.py"])
    assert findings.keys() == {"settings.py"}
    places = secrets["new"](findings, {})
    assert any("settings.py:2: AWS Access Key" in place for place in places)
    accepted = {name: list(digests) for name, digests in findings.items()}
    assert secrets["new"](findings, accepted) == []
    assert secrets["new"](findings, {"plain.py": accepted["settings.py"]}) == places
