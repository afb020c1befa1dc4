"""Changes to a decision record outside the portal are noticed."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.applications.models import ApplicationAction
from portal.audit.chain_checks import build_anchor
from portal.audit.models import AppendOnlyViolation
from portal.decisions import retention, seal
from portal.decisions.chain import ANCHOR_PURPOSE, append_decisions
from portal.decisions.models import Decision, DecisionChain
from portal.sync.models import Application, Job
from portal.sync.records.candidate_erasure import erase_candidates
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    find_application,
    reject_application,
    submit_action,
)
from tests.portal.applications.batch_helpers import pick_from_one_job
from tests.portal.decisions.record_helpers import (
    fetch_csv,
    fetch_print,
    fetch_record,
    read_csv,
    verify_record,
)


@pytest.fixture
def job(remy: Client, run_tasks) -> Job:
    """With three rejections."""
    chosen = pick_from_one_job(3)
    for application in chosen:
        reject_application(remy, application, notes="Too junior.")
    run_tasks()
    assert Decision.objects.count() == 3
    assert chosen[0].job is not None
    return chosen[0].job


def test_each_organization_has_a_chain_of_its_own(job: Job, personas: Personas) -> None:
    decision = Decision.objects.get(number=3)
    decision.pk, decision.action_id = None, decision.action_id + 1_000
    decision.organization, decision.membership = personas.zoe.organization, personas.zoe
    append_decisions([decision])
    assert (decision.number, decision.previous_seal) == (1, "")
    numbers = {chain.organization: chain.number for chain in DecisionChain.objects.all()}
    assert numbers == {personas.remy.organization: 3, personas.zoe.organization: 1}


def _execute_sql(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE decisions_decision SET reason = 'Other' WHERE number = 2", "decision 2: it was"),
        ("UPDATE decisions_decision SET resume_opened = true WHERE number = 3", "decision 3"),
        ("UPDATE decisions_decision SET free_text = '{}' WHERE number = 1", "decision 1: it was"),
        (
            "UPDATE decisions_decision SET free_text = '{}', free_text_salt = '', "
            "erased_at = settled_at WHERE number = 1",
            "decision 1: it was",
        ),
        ("DELETE FROM decisions_decision WHERE number = 2", "decision 2: it is missing"),
        ("DELETE FROM decisions_decision WHERE number = 3", "decision 3: the last 1 are missing"),
        ("DELETE FROM decisions_decision WHERE number = 1", "decision 1: it is missing"),
        ("UPDATE decisions_decisionchain SET expired_number = 1", "its ends were rewritten"),
        ("DELETE FROM decisions_decisionchain", "its end was deleted"),
    ],
)
def test_tampering_is_noticed(job: Job, statement: str, problem: str) -> None:
    assert "3 decisions" in verify_record()
    _execute_sql(statement)
    with pytest.raises(CommandError, match=problem):
        verify_record()


def test_deleting_everything_is_noticed(job: Job) -> None:
    _execute_sql("DELETE FROM decisions_decision")
    _execute_sql("DELETE FROM decisions_decisionchain")
    with pytest.raises(CommandError, match="its end was deleted"):
        verify_record()


def test_text_written_after_erasure_is_noticed(job: Job) -> None:
    first = Decision.objects.get(number=1)
    application = Application.objects.get(remote_id=first.application_remote_id)
    assert application.candidate is not None
    erase_candidates(application.connection, [application.candidate.remote_id])
    assert "3 decisions" in verify_record()
    _execute_sql('UPDATE decisions_decision SET free_text = \'{"note": "x"}\' WHERE number = 1')
    with pytest.raises(CommandError, match="decision 1: it was changed"):
        verify_record()


def test_export_says_what_was_changed(remy: Client, job: Job) -> None:
    _execute_sql("UPDATE decisions_decision SET reason = 'Other' WHERE number = 2")
    checks = [line["Seal check"] for line in read_csv(remy, job)]
    assert checks == ["unchanged", "changed since it was recorded", "unchanged"]
    assert "Changed since it was recorded" in fetch_record(remy, job)


@pytest.mark.parametrize(
    "assignment",
    [
        "seal = ''",
        "seal = 'é'",
        "free_text_digest = 'é'",
        "erased_at = settled_at, free_text = '{}', free_text_salt = '', erasure_seal = 'é'",
        "free_text = 'null'",
        "free_text = '[]'",
        """free_text = '{"words": 5, "answers": [[1]]}'""",
        """filters = '[["Stage"]]'""",
        """filters = '{"Stage": 1}'""",
        "changed_fields = '[5, null]'",
        "kind = 'score'",
        "undoes_kind = 'score'",
        "result = 'automated'",
    ],
)
def test_damaged_decision_is_shown_as_changed(remy: Client, job: Job, assignment: str) -> None:
    _execute_sql(f"UPDATE decisions_decision SET {assignment} WHERE number = 2")  # noqa: S608
    for page in (fetch_record(remy, job), fetch_print(remy, job)):
        assert page.count("Changed since it was recorded") == 1
    checks = [line["Seal check"] for line in read_csv(remy, job)]
    assert checks == ["unchanged", "changed since it was recorded", "unchanged"]
    with pytest.raises(CommandError, match="decision 2: it was changed"):
        verify_record()


def test_chain_with_odd_seal_is_noticed(job: Job) -> None:
    _execute_sql("UPDATE decisions_decisionchain SET chain_seal = 'é'")
    with pytest.raises(CommandError, match="its ends were rewritten"):
        verify_record()


def _write_rows(file: Path, rows: list[list[str]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)


def test_each_changed_cell_of_a_file_is_found(remy: Client, job: Job, tmp_path: Path) -> None:
    """Apart from names, which change."""
    file, text = tmp_path / "decisions.csv", fetch_csv(remy, job).removeprefix("\ufeff")
    headings, *lines = csv.reader(io.StringIO(text, newline=""))
    unnoticed = []
    for place, heading in enumerate(headings):
        changed_line = [*lines[0][:place], "other", *lines[0][place + 1 :]]
        _write_rows(file, [headings, changed_line, *lines[1:]])
        with contextlib.suppress(CommandError):
            verify_record("--file", file)
            unnoticed.append(heading)
    assert unnoticed == ["Decided by", "Candidate", "Undone by"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: [[*lines[0][:-2], "", lines[0][-1]], *lines[1:]], "Line 2.*it has no seal"),
        (lambda lines: [*lines, lines[-1]], "Line 5.*same decision as in line 4"),
        (lambda lines: [lines[0][:3]], "Line 2.*it has no seal"),
    ],
    ids=["without seal", "twice", "cut off"],
)
def test_unprovable_line_of_a_file_is_named(
    remy: Client, job: Job, tmp_path: Path, change, problem: str
) -> None:
    file, text = tmp_path / "decisions.csv", fetch_csv(remy, job).removeprefix("\ufeff")
    headings, *lines = csv.reader(io.StringIO(text, newline=""))
    _write_rows(file, [headings, *change(lines)])
    with pytest.raises(CommandError, match=problem):
        verify_record("--file", file)


def test_exported_file_is_compared(remy: Client, job: Job, tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    text = fetch_csv(remy, job)
    file.write_text(text, encoding="utf-8", newline="")
    assert "whole" in verify_record("--file", file)
    file.write_text(text.replace("Reject", "Advance", 1), encoding="utf-8", newline="")
    with pytest.raises(CommandError, match=r"Line 2 of .*: not as recorded: Decision"):
        verify_record("--file", file)
    digest = Decision.objects.get(number=3).seal
    file.write_text(text.replace(digest, "0" * 64), encoding="utf-8", newline="")
    with pytest.raises(CommandError, match=r"Line 4 of .*no such decision"):
        verify_record("--file", file)
    for other in ("nothing\n1\n", ""):
        file.write_text(other)
        with pytest.raises(CommandError, match="not an exported decision record"):
            verify_record("--file", file)


def test_earlier_end_contradicts_older_state(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "ends.jsonl"
    verify_record("--export", file)
    assert "whole" in verify_record("--against", file)
    # As in a backup made after the second decision.
    chain = DecisionChain.objects.get()
    Decision.objects.filter(number=3).delete()
    chain.number, chain.seal = 2, Decision.objects.get(number=2).seal
    seal.seal_chain(chain)
    chain.save()
    assert "2 decisions" in verify_record()
    with pytest.raises(CommandError, match="had 3 decisions"):
        verify_record("--against", file)


def test_expired_end_contradicts_nothing(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "ends.jsonl"
    verify_record("--export", file)
    in_four_years = timezone.now() + timedelta(days=4 * 366)
    retention.delete_expired(in_four_years, batch_size=2, after_batch=lambda: None)
    assert "0 decisions" in verify_record("--against", file)


def test_other_decision_contradicts_its_end(job: Job, tmp_path: Path) -> None:
    """All were sealed again by somebody who has the key."""
    file = tmp_path / "ends.jsonl"
    verify_record("--export", file)
    chain = DecisionChain.objects.get()
    for number, seal_ in ((chain.number, "0" * 64), (2, chain.seal)):
        end = DecisionChain(number=number, seal=seal_)
        anchor = build_anchor(chain.organization_id, end, ANCHOR_PURPOSE)
        file.write_text(json.dumps(asdict(anchor)))
        with pytest.raises(CommandError, match="the last of them is gone or was changed"):
            verify_record("--against", file)


def test_chain_end_is_logged(remy: Client, run_tasks, caplog) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    with caplog.at_level("INFO", "portal.decisions.anchors"):
        run_tasks()
    [line] = [r for r in caplog.records if r.name == "portal.decisions.anchors"]
    end = DecisionChain.objects.get()
    assert (end.number, end.seal) == (1, Decision.objects.get().seal)
    anchor = build_anchor(application.connection.organization_id, end, ANCHOR_PURPOSE)
    assert line.msg["decision_chain"] == asdict(anchor)


def test_seal_is_that_of_earlier_versions(settings) -> None:
    """Decisions are kept for years: how they are sealed must not change."""
    settings.AUDIT_KEYS = ["an audit key"]
    decision = Decision(
        **{"organization_id": 1, "number": 2, "membership_id": 3, "action_id": 4},
        **{"job_remote_id": 5, "application_remote_id": 6, "kind": "reject", "result": "done"},
        decided_at=datetime(2026, 12, 1, 9, tzinfo=UTC),
        settled_at=datetime(2026, 12, 1, 10, tzinfo=timezone.get_fixed_timezone(60)),
        filters=[["Status", "Active"]],
        free_text={"note": "Größe", "words": ["Go"]},
        free_text_salt="salt",
        free_text_digest="5bf835c04c6e1b9d9be283dc1451826ee28cbd1a99bba1842e249335deabad28",
        previous_seal="before",
        seal="8a1cb97804de3fba5c3b4ec10aaf6a11dec72a9a68f76ccbda696bc7d43cbbf4",
    )
    assert seal.has_valid_seal(decision)


def test_portal_changes_no_decision(job: Job) -> None:
    decision = Decision.objects.first()
    with pytest.raises(AppendOnlyViolation):
        decision.save()
    with pytest.raises(AppendOnlyViolation):
        decision.delete()


def test_record_outlives_actions(remy: Client, job: Job) -> None:
    before = fetch_csv(remy, job)
    ApplicationAction.objects.all().delete()
    assert fetch_csv(remy, job) == before
    # As when Greenhouse is disconnected, and connected again.
    remote_id = int(read_csv(remy, job)[0]["Greenhouse application ID"])
    application = Application.objects.get(remote_id=remote_id)
    application.delete()
    assert len(read_csv(remy, job)) == 2
    application.pk = None
    application.save(force_insert=True)
    assert fetch_csv(remy, job) == before


def test_rotated_key_still_verifies(job: Job, settings) -> None:
    settings.AUDIT_KEYS = ["a new key", *settings.AUDIT_KEYS]
    assert "3 decisions" in verify_record()
    settings.AUDIT_KEYS = ["a new key"]
    with pytest.raises(CommandError, match="rewritten"):
        verify_record()
