"""Chat notifications: signed, sent once, retried, and only where configured."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portal.notices import chat, tasks
from portal.notices.models import ChatPost
from tests.cast import Cast


class Listener:
    """A chat tool that records requests and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.heard: list[tuple[str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.heard.append((self.headers[chat.SIGNATURE], body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def listener(settings) -> Iterator[Listener]:
    chat_listener = Listener()
    thread = threading.Thread(target=chat_listener.server.serve_forever, daemon=True)
    thread.start()
    settings.NOTICE_HOOK_URL, settings.NOTICE_HOOK_SECRET = chat_listener.url, "shared"
    yield chat_listener
    chat_listener.server.shutdown()
    chat_listener.server.server_close()
    thread.join()


def test_message_is_sent_once_and_signed(cast: Cast, work, listener: Listener) -> None:
    for _ in range(2):
        chat.say(cast.ada.organization, key="k", words="Something is off", path="/set-up/")
    work()
    [(signature, body)] = listener.heard
    timestamp, signature_hex = (part.split("=", 1)[1] for part in signature.split(","))
    expected = hmac.new(b"shared", timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert signature_hex == expected
    assert json.loads(body)["text"].startswith("Acme: Something is off")
    assert ChatPost.objects.get().status == "sent"


def test_failed_message_is_retried_up_to_limit(cast: Cast, work, later, listener: Listener) -> None:
    listener.status = 503
    chat.say(cast.ada.organization, key="k", words="Something is off")
    work()
    chat.sweep()
    assert work() == 0, "not retried at once"
    for _ in range(10):
        later(3600 * 2)
        chat.sweep()
        work()
    assert len(listener.heard) == chat.MOST_TRIES
    assert ChatPost.objects.get().status == "failed"


def test_interrupted_message_is_sent_again(
    cast: Cast, work, later, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise SystemExit

    chat.say(cast.ada.organization, key="k", words="Something is off")
    with monkeypatch.context() as patched:
        patched.setattr(chat.Http, "send", die)
        with pytest.raises(SystemExit):
            work()
    later(11 * 60)
    tasks.sweep()
    work()
    assert len(listener.heard) == 1
    assert ChatPost.objects.get().status == "sent"


def test_nothing_stored_without_hook_url(cast: Cast, settings) -> None:
    settings.NOTICE_HOOK_URL = ""
    chat.say(cast.ada.organization, key="k", words="Something is off")
    assert not ChatPost.objects.exists()
