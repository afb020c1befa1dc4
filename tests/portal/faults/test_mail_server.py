"""A mail server that refuses, stays silent or drips: no request waits, and nothing is lost."""

from __future__ import annotations

import logging
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from portal.connections.permissions import fix_link_email
from portal.core import transitions
from portal.core.models import Transition
from portal.members import invitations
from portal.members.models import Invitation
from portal.notifications import delivery, message_queue, notify, outbox, tasks
from portal.notifications.models import Notification, OutgoingEmail
from portal.privacy import member_data
from tests import queue
from tests.factories import PASSWORD
from tests.full_listener import listen_without_accepting
from tests.personas import Personas

TOKEN = re.compile(r"/reset/key/([\w-]+)/")
PassTime = Callable[[float], None]


class _Handler(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        server = self.server
        server.connection_count += 1
        if server.mode == "silent":
            server.stopped.wait(30)
        elif server.mode == "drip":
            self._drip()
        elif server.mode == "refuse":
            self._reply("554 no service")
        else:
            self._converse()

    def _reply(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _drip(self) -> None:
        while not self.server.stopped.wait(0.05):
            try:
                self.wfile.write(b"2")
            except OSError:
                return

    def _converse(self) -> None:
        self._reply("220 here")
        for line in self.rfile:
            command = line.strip().upper()
            if command == b"DATA":
                self._reply("354 go on")
                message = b""
                while (part := self.rfile.readline()) not in (b".\r\n", b""):
                    message += part
                self.server.messages.append(message.decode())
            elif command.startswith(b"RCPT") and self.server.mode == "unknown":
                self._reply("550 no such mailbox")
                continue
            elif command == b"QUIT":
                self._reply("221 bye")
                return
            self._reply("250 ok")


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    modes: ClassVar = ("accept", "refuse", "unknown", "silent", "drip")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mode = "accept"
        self.messages: list[str] = []
        self.connection_count = 0
        self.stopped = threading.Event()


@pytest.fixture
def mail_server(settings) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.DELIVERY_EMAIL_BACKEND = "portal.notifications.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.server_address[1]
        settings.EMAIL_TIMEOUT, settings.EMAIL_DEADLINE_SECONDS = 0.5, 1.0
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.stopped.set()
        server.shutdown()


@pytest.fixture
def retry_due(advance_clock: PassTime, run_tasks: Callable[[], int]) -> PassTime:
    def pass_and_sweep(seconds: float) -> None:
        advance_clock(seconds)
        tasks.recover_lost_messages()
        invitations.MESSAGES.recover_lost()
        fix_link_email.MESSAGES.recover_lost()
        run_tasks()

    return pass_and_sweep


def _request_reset(email: str = "remy@acme.example") -> None:
    response = Client().post(reverse("account_reset_password"), {"email": email})
    assert response.status_code == 302


@pytest.mark.parametrize("mode", ["refuse", "unknown", "silent", "drip"])
def test_reset_is_sent_once_server_recovers(
    personas: Personas, run_tasks, retry_due: PassTime, mail_server: MailServer, mode: str
) -> None:
    mail_server.mode = mode
    _request_reset()
    assert mail_server.connection_count == 0, "not within the request"
    started = time.monotonic()
    run_tasks()
    assert time.monotonic() - started < 20
    email = OutgoingEmail.objects.get()
    assert (email.status, email.attempts, email.kind) == ("queued", 1, "password_reset_key")
    assert email.last_error
    run_tasks()
    assert mail_server.connection_count == 1, "not tried again at once"

    mail_server.mode = "accept"
    retry_due(2 * 60)
    [message] = mail_server.messages
    assert "To: remy@acme.example" in message
    assert TOKEN.search(message.replace("=\n", "").replace("=\r\n", ""))
    email.refresh_from_db()
    assert (email.status, email.content, email.last_error) == ("sent", "", "")
    retry_due(3600)
    assert len(mail_server.messages) == 1


@pytest.mark.slow("a real socket never accepts")
@pytest.mark.parametrize("address_count", [1, 8])
def test_server_that_never_accepts_is_retried_later(
    personas: Personas,
    run_tasks,
    retry_due: PassTime,
    mail_server: MailServer,
    settings,
    monkeypatch: pytest.MonkeyPatch,
    address_count: int,
) -> None:
    resolve, accepting_port = socket.getaddrinfo, settings.EMAIL_PORT

    def resolve_mail_server(host: str, *args: Any, **options: Any) -> list[Any]:
        if host != "mail.example":
            return resolve(host, *args, **options)
        return resolve("127.0.0.1", *args, **options) * address_count

    monkeypatch.setattr(socket, "getaddrinfo", resolve_mail_server)
    settings.EMAIL_HOST = "mail.example"
    with listen_without_accepting() as url:
        settings.EMAIL_PORT = urlsplit(url).port
        _request_reset()
        started = time.monotonic()
        run_tasks()
        assert time.monotonic() - started < 3  # the deadline is one second
    email = OutgoingEmail.objects.get()
    assert (email.status, email.attempts, email.last_error) == ("queued", 1, "TimeoutError")
    settings.EMAIL_PORT = accepting_port
    retry_due(2 * 60)
    assert len(mail_server.messages) == 1


def test_password_change_survives_refusing_server(
    personas: Personas, retry_due: PassTime, run_tasks, mail_server: MailServer
) -> None:
    mail_server.mode = "refuse"
    client = Client()
    client.post(reverse("account_login"), {"login": "remy@acme.example", "password": PASSWORD})
    new = "a-better-lantern-9"
    response = client.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )
    assert response.status_code == 302
    run_tasks()
    personas.remy.user.refresh_from_db()
    assert personas.remy.user.check_password(new)
    mail_server.mode = "accept"
    retry_due(2 * 60)
    assert len(mail_server.messages) == 1


def test_notification_and_invitation_are_retried(
    personas: Personas, run_tasks, sign_in, retry_due: PassTime, mail_server: MailServer
) -> None:
    mail_server.mode = "refuse"
    acme = personas.ada.organization
    notify.notify_users([personas.ada.user], acme, key="k", subject="s", body="b")
    ada = sign_in(personas.ada)
    ada.post(reverse("members:list"), {"email": "new@acme.example", "role": "recruiter"})
    run_tasks()
    assert "couldn't be sent yet. Next try" in ada.get(reverse("members:list")).content.decode()
    mail_server.mode = "accept"
    retry_due(4 * 60)
    assert len(mail_server.messages) == 2
    assert Notification.objects.get().status == "sent"
    invitation = Invitation.objects.get()
    assert (invitation.email_status, invitation.token) == ("sent", "")


def test_email_is_given_up_after_a_day_and_shown(
    personas: Personas, run_tasks, sign_in, retry_due: PassTime, mail_server: MailServer
) -> None:
    mail_server.mode = "refuse"
    _request_reset()
    run_tasks()
    for _ in range(10):
        retry_due(2 * 3600)
    assert OutgoingEmail.objects.get().status == "queued"
    for _ in range(10):
        retry_due(2 * 3600)
    email = OutgoingEmail.objects.get()
    assert (email.status, email.content) == ("failed", "")
    assert email.attempts == message_queue.MAX_ATTEMPTS
    cas = sign_in(personas.cas)
    page = cas.get(reverse("admin:notifications_outgoingemail_change", args=[email.pk]))
    assert "Remy" in page.content.decode()
    assert "content" not in page.context["adminform"].form.fields
    summary = cas.get(
        reverse("admin:accounts_organization_summary", args=[personas.ada.organization.pk])
    )
    assert "not sent: password reset" in summary.content.decode()
    health = sign_in(personas.ola).get(reverse("admin:system_health")).content.decode()
    assert "<b>1</b> sign-in email not sent" in health


def test_slow_server_holds_worker_once(
    personas: Personas, run_tasks, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SLOW_FAILURE_SECONDS", 0.3)
    mail_server.mode = "silent"
    for _ in range(5):
        _request_reset()
    run_tasks()
    assert mail_server.connection_count == 1
    assert OutgoingEmail.objects.filter(status="queued", attempts=1).count() == 5


def test_token_is_only_in_encrypted_content(
    personas: Personas, run_tasks, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mail_server.mode = "unknown"
    _request_reset()
    [task] = queue.list_queued_tasks()
    email = OutgoingEmail.objects.get()
    assert task == (outbox.SEND_TASK, (email.pk,))
    run_tasks()
    token = TOKEN.search(email.content)
    assert token
    stored = OutgoingEmail.objects.extra(select={"raw": "content"}).values_list("raw").get()[0]
    reasons = " ".join(Transition.objects.values_list("reason", flat=True))
    for text in (stored, reasons, caplog.text, OutgoingEmail.objects.get().last_error):
        assert token[1] not in text
        assert "remy@acme.example" not in text


def test_interrupted_email_is_sent_again(
    personas: Personas, retry_due: PassTime, mail_server: MailServer
) -> None:
    _request_reset()
    email = OutgoingEmail.objects.get()
    transitions.move_state(email, "sending", why="a worker took it")
    retry_due(9 * 60)
    assert mail_server.messages == []
    retry_due(2 * 60)
    assert len(mail_server.messages) == 1


def test_erased_member_leaves_no_email(
    personas: Personas, run_tasks, mail_server: MailServer
) -> None:
    _request_reset()
    member_data.erase_member(personas.remy.user)
    assert not OutgoingEmail.objects.exists()
    run_tasks()
    assert mail_server.messages == []


def test_dead_server_is_no_error(personas: Personas, run_tasks, settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    settings.DELIVERY_EMAIL_BACKEND = "portal.notifications.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    _request_reset()
    run_tasks()
    assert OutgoingEmail.objects.get().status == "queued"
