"""Run nginx or Caddy with the configuration from docs/deploy, in front of a real gunicorn."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from tests.demo_process import PROJECT, find_free_port
from tests.workers import get_database_url

DEPLOY = PROJECT / "docs" / "deploy"
HOST = "portal.example.com"
STAFF_NETWORK = "127.0.0.64/26"  # every address in 127.0.0.0/8 is a client's own on this machine
STARTUP_SECONDS = 120


def find_program(name: str) -> str | None:
    """Find a system daemon, which a user's PATH may not include."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin")


class Proxy:
    """A running proxy. `log` holds everything it has logged."""

    def __init__(self, http_port: int, https_port: int, certificate: Path, log: Path) -> None:
        self.http_port, self.https_port, self.log = http_port, https_port, log
        self._tls = ssl.create_default_context(cafile=str(certificate))

    def client(self, source: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """Return a client at that address, with its requests' host and TLS name set."""

        def set_server_name(request: httpx.Request) -> None:
            request.extensions = {**request.extensions, "sni_hostname": HOST}

        return httpx.Client(
            transport=httpx.HTTPTransport(verify=self._tls, local_address=source),
            base_url=f"https://127.0.0.1:{self.https_port}",
            headers={"Host": HOST, **headers},
            event_hooks={"request": [set_server_name]},
            timeout=10,
        )

    def send_unfinished(self, head: str) -> ssl.SSLSocket:
        """Send the head of a request whose body never arrives, on an open connection."""
        plain = socket.create_connection(("127.0.0.1", self.https_port), timeout=10)
        connection = self._tls.wrap_socket(plain, server_hostname=HOST)
        connection.sendall(head.replace("\n", "\r\n").encode())
        return connection


@contextmanager
def run_gunicorn(folder: Path, static_root: Path, **environment: str) -> Iterator[int]:
    """Serve the portal in production settings on the test database; yield the port.

    `static_root` gets the static files if it is not there yet; processes may share it.
    """
    port = find_free_port()
    env = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_ENCRYPTION_KEY": ",".join(settings.FIELD_ENCRYPTION_KEY),
        "DATABASE_URL": get_database_url(),
        "REDIS_URL": settings.REDIS_URL or "none",
        "QUEUE_NAME": settings.Q_CLUSTER["name"],
        "ALLOWED_HOSTS": HOST,
        "STATIC_ROOT": str(static_root),
        "WEB_PORT": str(port),
        "WEB_WORKERS": "1",
        "WEB_THREADS": "2",
        **environment,
    }
    _collect_static_files(static_root, env)
    with _run([sys.executable, "-m", "gunicorn"], port, folder / "gunicorn.log", env):
        yield port


def _collect_static_files(static_root: Path, env: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    with static_root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not static_root.exists():
            unfinished = static_root.with_suffix(".unfinished")
            subprocess.run(  # noqa: S603  (ours)
                command, cwd=PROJECT, env=env | {"STATIC_ROOT": str(unfinished)}, check=True
            )
            unfinished.rename(static_root)


@contextmanager
def run_proxy(name: str, folder: Path, *portals: str) -> Iterator[Proxy]:
    """Run nginx or Caddy as configured in docs/deploy, except for ports, paths and the portals."""
    certificate, key = _make_certificate(folder)
    http_port, https_port = find_free_port(), find_free_port()
    log = folder / f"{name}.log"
    ports = {"http": http_port, "https": https_port}
    configure = {"nginx": _configure_nginx, "caddy": _configure_caddy}[name]
    command = configure(folder, ports, portals, certificate, key, log)
    # HOME is where Caddy keeps its state.
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with _run(command, https_port, log, env):
        yield Proxy(http_port, https_port, certificate, log)


def _configure_nginx(
    folder: Path,
    ports: dict[str, int],
    portals: Sequence[str],
    certificate: Path,
    key: Path,
    log: Path,
) -> list[str]:
    text = (DEPLOY / "nginx.conf").read_text()
    text = re.sub(r" *listen \[::\].*\n", "", text)
    text = _replace(text, "listen 80", f"listen 127.0.0.1:{ports['http']}")
    text = _replace(text, "listen 443", f"listen 127.0.0.1:{ports['https']}")
    servers = "".join(f"    server {portal};\n" for portal in portals)
    text = _replace(text, "    server 127.0.0.1:8000;\n", servers)
    text = _replace(text, f"/etc/letsencrypt/live/{HOST}/fullchain.pem", str(certificate))
    text = _replace(text, f"/etc/letsencrypt/live/{HOST}/privkey.pem", str(key))
    text = _replace(text, "/var/log/nginx/portal.log", str(log))
    (folder / "portal.conf").write_text(text)
    temporary = "".join(
        f"{kind}_temp_path {folder / kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        ("user root;\n" if os.getuid() == 0 else "")  # else its workers may not enter the folder
        + f"daemon off;\npid {folder / 'nginx.pid'};\nerror_log {log};\nworker_processes 1;\n"
        + "events {}\n"
        + f"http {{\n{temporary}include {folder / 'portal.conf'};\n}}\n"
    )
    return [str(find_program("nginx")), "-c", str(folder / "nginx.conf"), "-e", str(log)]


def _configure_caddy(
    folder: Path,
    ports: dict[str, int],
    portals: Sequence[str],
    certificate: Path,
    key: Path,
    log: Path,
) -> list[str]:
    caddy = str(find_program("caddy"))
    text = (DEPLOY / "Caddyfile").read_text()
    options = (
        f"\tadmin off\n\tdefault_bind 127.0.0.1\n"
        f"\thttp_port {ports['http']}\n\thttps_port {ports['https']}\n"
    )
    text = _replace(text, "\n{\n", f"\n{{\n{options}")
    address = f"\n{{$PORTAL_HOST:{HOST}}} {{\n"
    text = _replace(text, address, f"{address}\ttls {certificate} {key}\n")
    text = _replace(text, "127.0.0.1:8000", " ".join(portals))
    if _caddy_version(caddy) >= (2, 6, 3):
        text = _replace(text, "{$REQUEST_BUFFERS:buffer_requests}", "request_buffers 1MiB")
    (folder / "Caddyfile").write_text(text)
    return [caddy, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def _caddy_version(caddy: str) -> tuple[int, ...]:
    result = subprocess.run([caddy, "version"], capture_output=True, text=True, check=True)  # noqa: S603
    return tuple(int(part) for part in re.findall(r"\d+", result.stdout)[:3])


def _replace(text: str, old: str, new: str) -> str:
    assert old in text, f"docs/deploy no longer contains {old!r}"
    return text.replace(old, new)


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@contextmanager
def _run(command: list[str], port: int, log: Path, env: dict[str, str]) -> Iterator[None]:
    """Run a server until the block ends; enter it once the port accepts connections."""
    with log.open("ab") as output:
        process: subprocess.Popen[Any] = subprocess.Popen(  # noqa: S603  (from this module)
            command, cwd=PROJECT, env=env, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + STARTUP_SECONDS
        while not _accepts_connections(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
