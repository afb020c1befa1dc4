from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from integrations.greenhouse.sandbox import ACME_V1_KEY, Sandbox
from integrations.greenhouse.sandbox.state_file import StateFileError


def test_restart_resumes_saved_state(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    with Sandbox(state=file, jobs=5) as first:
        job = first.dataset().jobs.ids[0]
        first.run_mutation("rename_job", job_id=job, name="Kept")
        key = first.credentials.create_key(without={"users.list"}).secret
        before = first.app.take_snapshot()
    with Sandbox(state=file, jobs=99) as second:
        assert second.app.take_snapshot() == before
        assert httpx.get(f"{second.url}/v1/jobs/{job}", auth=(key, "")).json()["name"] == "Kept"
        assert httpx.get(f"{second.url}/v1/users", auth=(key, "")).status_code == 403
        new = second.run_mutation("create_job", name="Newer")
        assert new.id > max(second.dataset().jobs.ids[:-1])


def test_changes_are_saved_while_running(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    with Sandbox(state=file, jobs=5) as sandbox:
        sandbox.run_mutation("rename_job", job_id=sandbox.dataset().jobs.ids[0], name="Soon")
        until = time.monotonic() + 120
        while b"Soon" not in file.read_bytes():
            assert time.monotonic() < until, "not saved"
            time.sleep(0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["world.json"]


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[]"])
def test_broken_file_is_reported_and_untouched(tmp_path: Path, text: str) -> None:
    file = tmp_path / "world.json"
    file.write_text(text)
    with pytest.raises(StateFileError, match=r"world\.json"):
        Sandbox(state=file)
    assert file.read_text() == text


def test_responses_are_same_after_restart(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    answers = []
    for _ in range(2):
        with Sandbox(state=file, jobs=5) as sandbox:
            url = f"{sandbox.url}/v1/candidates"
            answer = httpx.get(url, auth=(ACME_V1_KEY, "")).text
            answers.append(answer.replace(sandbox.url, ""))  # in links to files
    assert answers[0] == answers[1]
