"""Reads an untrusted file in a process of its own, with limits on memory, time and files.

The process gets the file's bytes and an empty environment. Whatever happens to it, only a
`Document` or UnreadableFile comes back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import msgspec

from integrations.documents.types import Document, FileType, UnreadableFile

ROOT = Path(__file__).resolve().parents[2]
MAX_OUTPUT_BYTES = 24 * 1024 * 1024
MAX_SECONDS = 10.0  # for a child that sleeps, which costs no processor time
_SCRIPT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from integrations.documents.child import run_child; run_child()"
)


class ChildUsage(msgspec.Struct, frozen=True):
    """What the kernel counted for a child."""

    peak_memory_bytes: int
    cpu_seconds: float
    status: int  # negative: the signal that ended it


def convert_file(content: bytes, file_type: FileType) -> Document:
    """Raises UnreadableFile."""
    document, usage = measure_conversion(content, file_type)
    if document is None:
        raise UnreadableFile(f"reading it ended with status {usage.status}")
    return document


def measure_conversion(content: bytes, file_type: FileType) -> tuple[Document | None, ChildUsage]:
    output, usage = _run_child(content, file_type)
    if usage.status != 0:
        return None, usage
    try:
        return msgspec.msgpack.decode(output, type=Document), usage
    except msgspec.MsgspecError:
        return None, usage


def _run_child(content: bytes, file_type: FileType) -> tuple[bytes, ChildUsage]:
    child = subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-I", "-c", _SCRIPT, str(ROOT), file_type.value],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
    )
    handle = os.pidfd_open(child.pid)  # unlike its number, never another process
    timer = threading.Timer(MAX_SECONDS, _kill_child, [handle])
    timer.start()
    try:
        output = _exchange(child, content)
        if len(output) > MAX_OUTPUT_BYTES:
            _kill_child(handle)
    except BaseException:
        _kill_child(handle)
        raise
    finally:
        _, wait_status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        timer.join()
        os.close(handle)
        child.returncode = os.waitstatus_to_exitcode(wait_status)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return output, ChildUsage(usage.ru_maxrss * 1024, cpu_seconds, child.returncode)


def _kill_child(handle: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)


def _exchange(child: subprocess.Popen[bytes], content: bytes) -> bytes:
    """The child reads everything before it answers, so neither waits for the other."""
    stdin, stdout = _get_pipes(child)
    with stdin, stdout, contextlib.suppress(BrokenPipeError):
        stdin.write(content)
        stdin.close()
        return stdout.read(MAX_OUTPUT_BYTES + 1)
    return b""


def _get_pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert child.stdin is not None  # noqa: S101  # for the type checker
    assert child.stdout is not None  # noqa: S101
    return child.stdin, child.stdout
