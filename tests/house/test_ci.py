"""The steps of CI that look for weak dependencies and for secrets tell the truth."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

CI = Path(__file__).resolve().parents[2] / ".ci"
judged = runpy.run_path(str(CI / "audit.py"))["judged"]
secrets = runpy.run_path(str(CI / "secrets.py"))

FINE = {"name": "django", "version": "5.2.19", "vulns": []}
UNKNOWN = {"name": "nh3", "skip_reason": "not found"}
WEAK = {
    "name": "old",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}],
}


def _told(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies})


@pytest.mark.parametrize(
    ("told", "said"),
    [("", "connection refused"), ("nonsense", ""), (_told(UNKNOWN), ""), (_told(), "")],
)
def test_an_audit_that_could_not_be_made_is_said_and_not_taken_for_one(
    told: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUDIT_REQUIRED", raising=False)
    sentence, well = judged(1, told, said)
    assert (sentence.startswith("NOT AUDITED"), well) == (True, True)
    monkeypatch.setenv("AUDIT_REQUIRED", "true")
    assert judged(1, told, said) == (sentence, False)


def test_a_weak_dependency_fails_and_says_what_mends_it() -> None:
    sentence, well = judged(1, _told(FINE, WEAK, UNKNOWN), "")
    assert not well
    assert "old 1.0: PYSEC-2026-1, mended in 1.1" in sentence


def test_what_was_not_looked_at_is_named_beside_what_was() -> None:
    sentence, well = judged(0, _told(FINE, UNKNOWN), "")
    assert well
    assert sentence == (
        "1 locked dependencies have no known vulnerability. "
        "NOT AUDITED, since the service does not know them: nh3."
    )
    assert judged(0, _told(FINE), "") == (sentence.split(" NOT")[0], True)


def test_a_secret_is_found_until_somebody_accepts_it(tmp_path: Path) -> None:
    value = "".join(reversed("Wq9xLcVb81Ra5TzUo3Yd7HnMe2KsPj4G"))
    key = "AKI" + "AQWERTYUIOPASDFGH"
    (tmp_path / "settings.py").write_text(f'made_up = "{value}"\nother = "{key}"\n')
    (tmp_path / "plain.py").write_text('words = "a sentence without any of that"\n')
    found = secrets["look"](tmp_path, ["settings.py", "plain.py"])
    assert found.keys() == {"settings.py"}
    places = secrets["new"](found, {})
    assert any("settings.py:2: AWS Access Key" in place for place in places)
    accepted = {name: list(digests) for name, digests in found.items()}
    assert secrets["new"](found, accepted) == []
    assert secrets["new"](found, {"plain.py": accepted["settings.py"]}) == places
