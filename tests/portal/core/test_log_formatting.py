"""Log lines for people and for machines, from structlog's loggers and the standard library's."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from portal.core.observability import request_ids

SECRET = "Jane Doe's phone"


@pytest.fixture
def log_lines(production_log) -> list[str]:
    request_ids.adopt_task_group("request:followed-id")
    logging.getLogger("portal.plain").warning("Batch %d waits", 7)
    structlog.get_logger("portal.structured").warning("batch waits", batch=7)
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("portal.plain").exception("Batch %d failed", 7)
    return production_log().splitlines()


def test_json_line_has_fields(log_lines: list[str]) -> None:
    plain, structured, failed = (json.loads(line) for line in log_lines if line.startswith("{"))
    assert plain["event"] == "Batch 7 waits"
    assert (structured["event"], structured["batch"]) == ("batch waits", 7)
    assert "ValueError" in failed["exception"]
    for fields in (plain, structured, failed):
        assert fields["request_id"] == "followed-id"
        assert fields["level"] in {"warning", "error"}
        assert fields["logger"].startswith("portal.")
        assert fields["timestamp"].endswith("Z")


def test_plain_line_has_request_id(log_lines: list[str]) -> None:
    lines = [line for line in log_lines if " waits" in line and line[0] != "{"]
    assert len(lines) == 2
    assert all("request_id=followed-id" in line for line in lines)


def test_exception_text_is_left_out(log_lines: list[str]) -> None:
    assert any("Traceback" in line for line in log_lines)
    assert SECRET not in "\n".join(log_lines)
