"""Chat notifications: signed, sent once, retried, and only where configured."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from portal.notifications import chat, message_queue, tasks
from portal.notifications.models import ChatMessage
from tests.full_listener import listen_without_accepting
from tests.personas import Personas


class Listener:
    """A chat tool that records requests and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.drips = False
        self.heard: list[tuple[str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.heard.append((self.headers[chat.SIGNATURE_HEADER], body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "1000" if outer.drips else "0")
                self.end_headers()
                for _ in range(1000 if outer.drips else 0):
                    time.sleep(0.1)
                    try:
                        self.wfile.write(b"x")
                    except OSError:
                        break

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def listener(settings) -> Iterator[Listener]:
    chat_listener = Listener()
    thread = threading.Thread(target=chat_listener.server.serve_forever, daemon=True)
    thread.start()
    settings.CHAT_WEBHOOK_URL, settings.CHAT_WEBHOOK_SECRET = chat_listener.url, "shared"
    yield chat_listener
    chat_listener.server.shutdown()
    chat_listener.server.server_close()
    thread.join()


def test_message_is_sent_once_and_signed(personas: Personas, run_tasks, listener: Listener) -> None:
    for _ in range(2):
        chat.post_message(
            personas.ada.organization, key="k", text="Something is off", path="/setup/"
        )
    run_tasks()
    [(signature, body)] = listener.heard
    timestamp, signature_hex = (part.split("=", 1)[1] for part in signature.split(","))
    expected = hmac.new(b"shared", timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert signature_hex == expected
    assert json.loads(body)["text"].startswith("Acme: Something is off")
    assert ChatMessage.objects.get().status == "sent"


def test_failed_message_is_retried_up_to_limit(
    personas: Personas, run_tasks, advance_clock, listener: Listener
) -> None:
    listener.status = 503
    chat.post_message(personas.ada.organization, key="k", text="Something is off")
    run_tasks()
    chat.MESSAGES.recover_lost()
    assert run_tasks() == 0, "not retried at once"
    for _ in range(2 * message_queue.MAX_ATTEMPTS):
        advance_clock(3600 * 2)
        chat.MESSAGES.recover_lost()
        run_tasks()
    assert len(listener.heard) == message_queue.MAX_ATTEMPTS
    assert ChatMessage.objects.get().status == "failed"


def test_dripping_receiver_is_given_up_in_time(
    personas: Personas, run_tasks, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "DEADLINE_SECONDS", 0.6)
    listener.drips = True
    chat.post_message(personas.ada.organization, key="k", text="Something is off")
    started = time.monotonic()
    run_tasks()
    assert time.monotonic() - started < 10
    post = ChatMessage.objects.get()
    assert (post.status, post.attempts) == ("queued", 1)


@pytest.mark.slow("a real socket never accepts")
def test_receiver_that_never_accepts_is_retried_later(
    personas: Personas, run_tasks, advance_clock, listener: Listener, settings, monkeypatch
) -> None:
    monkeypatch.setattr(chat, "DEADLINE_SECONDS", 0.6)
    chat.post_message(personas.ada.organization, key="k", text="Something is off")
    with listen_without_accepting() as url:
        settings.CHAT_WEBHOOK_URL = url
        started = time.monotonic()
        run_tasks()
        assert time.monotonic() - started < 3
    post = ChatMessage.objects.get()
    assert (post.status, post.attempts) == ("queued", 1)
    settings.CHAT_WEBHOOK_URL = listener.url
    advance_clock(2 * 60)
    chat.MESSAGES.recover_lost()
    run_tasks()
    assert len(listener.heard) == 1


def test_interrupted_message_is_sent_again(
    personas: Personas,
    run_tasks,
    advance_clock,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*_: object, **__: object) -> None:
        raise SystemExit

    chat.post_message(personas.ada.organization, key="k", text="Something is off")
    with monkeypatch.context() as patched:
        patched.setattr(chat.HttpClient, "send", die)
        with pytest.raises(SystemExit):
            run_tasks()
    advance_clock(11 * 60)
    tasks.recover_lost_messages()
    run_tasks()
    assert len(listener.heard) == 1
    assert ChatMessage.objects.get().status == "sent"


def test_nothing_stored_without_hook_url(personas: Personas, settings) -> None:
    settings.CHAT_WEBHOOK_URL = ""
    chat.post_message(personas.ada.organization, key="k", text="Something is off")
    assert not ChatMessage.objects.exists()
