"""How gunicorn serves the portal. Whatever its command line says wins."""

import gc
import os
import subprocess
import sys
from typing import Any

import structlog

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

if os.environ.get("LOG_FORMAT") == "json":
    # Only structlog: what is imported here, a reload does not load anew.
    logconfig_dict = {
        "loggers": {
            "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": False}
        },
        "formatters": {
            "generic": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    structlog.stdlib.add_logger_name,
                    structlog.stdlib.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.format_exc_info,
                ],
                "processor": structlog.processors.JSONRenderer(ensure_ascii=False),
            }
        },
    }


def post_worker_init(worker: Any) -> None:
    """Hand the worker's lines to the portal's log, which leaves out paths and texts of errors."""
    # Searching the loaded code for garbage stopped all threads for 170 ms.
    gc.freeze()
    worker.log.error_log.handlers.clear()
    worker.log.error_log.propagate = True


def on_starting(server: Any) -> None:
    """Do not serve with a key that opens nothing, or against a database that is not there.

    In a process of its own, so that the workers, which come from this one, load the code anew
    when it is told to reload.
    """
    check = [sys.executable, "manage.py", "check", "--database", "default"]
    result = subprocess.run(check, check=False, stdout=subprocess.DEVNULL)  # noqa: S603  (ours)
    if result.returncode:
        sys.exit(1)
