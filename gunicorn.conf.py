"""How gunicorn serves the portal. Whatever its command line says wins."""

import os
import subprocess
import sys
from typing import Any

wsgi_app = "portal.wsgi"
bind = f"{os.environ.get('WEB_HOST', '127.0.0.1')}:{os.environ.get('WEB_PORT', '8000')}"
workers = int(os.environ.get("WEB_WORKERS", "2"))
# Threads, since a request may wait a few seconds for Greenhouse. They never wait for a client.
worker_class = "portal.web.buffering_worker.BufferingWorker"
worker_connections = 500
sendfile = False  # it would wait for the client
threads = int(os.environ.get("WEB_THREADS", "4"))
timeout = 60
keepalive = 65  # longer than load balancers keep idle connections, usually 60 s
# At the end: no new requests, and those under way have this long.
graceful_timeout = 30
control_socket_disable = True
max_requests = 10_000
max_requests_jitter = 1_000
# A cheap bound on what a stranger may send in a request line and its headers.
limit_request_line = 8190
limit_request_fields = 100
# The portal decides which forwarding headers to trust (TRUSTED_PROXIES). By default gunicorn trusts
# some itself, even to replace a request's path, from whoever connects on the same machine.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""


def on_starting(server: Any) -> None:
    """Do not serve with a key that opens nothing, or against a database that is not there.

    In a process of its own, so that the workers, which come from this one, load the code anew
    when it is told to reload.
    """
    check = [sys.executable, "manage.py", "check", "--database", "default"]
    if subprocess.run(check, check=False).returncode:  # noqa: S603  (our own command)
        sys.exit(1)
