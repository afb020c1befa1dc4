"""The demo's folder: keys, databases and logs kept between starts. No Django."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import TextIO

from integrations.greenhouse.sandbox import PARTNER_CLIENT_ID, PARTNER_CLIENT_SECRET

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_FOLDER = PROJECT_ROOT / "var" / "demo"
# `demo_prepare` prints this before it starts on the database.
STATIC_FILES_READY = "Static files are ready."


class AlreadyRunning(Exception):
    """Another launcher uses this folder."""


class DemoFolder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sandbox_state = self.folder / "sandbox.json"
        self._lock: TextIO | None = None

    def acquire_lock(self) -> None:
        """Lock the folder for the lifetime of this process. Raises AlreadyRunning."""
        self._lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None

    def delete(self) -> None:
        """Raises AlreadyRunning. Another folder, in which no demo was started, stays."""
        self.acquire_lock()
        if (self.folder / "keys.env").exists() or self.folder == DEFAULT_FOLDER:
            shutil.rmtree(self.folder)

    def get_log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def get_job_count(self, requested: int) -> int:
        """Return the sandbox's job count, fixed at the first start."""
        jobs_file = self.folder / "jobs"
        if not (jobs_file.exists() and self.sandbox_state.exists()):
            jobs_file.write_text(f"{requested}\n")
        return int(jobs_file.read_text())

    def get_or_create_keys(self) -> dict[str, str]:
        """Return SECRET_KEY and FIELD_ENCRYPTION_KEY, created once in a file with mode 600."""
        path = self.folder / "keys.env"
        if not path.exists():
            field_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
            text = f"SECRET_KEY={secrets.token_hex(40)}\nFIELD_ENCRYPTION_KEY={field_key}\n"
            draft = path.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
            ) as file:
                file.write(text)
            draft.rename(path)  # atomic
        return dict(line.split("=", 1) for line in path.read_text().splitlines())

    def build_environment(self, *, port: int, sandbox: str) -> dict[str, str]:
        """Production settings, except for plain HTTP on this machine."""
        inherited = {
            name: value for name, value in os.environ.items() if name != "GUNICORN_CMD_ARGS"
        }
        return inherited | {
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            **self.get_or_create_keys(),
            "DEBUG": "false",
            "INSECURE_COOKIES": "true",
            "SINGLE_SIGN_ON_LOCAL_ADDRESSES": "true",
            "TRUSTED_PROXIES": "0",
            "DATABASE_URL": f"sqlite:///{self.folder / 'portal.sqlite3'}",
            "REDIS_URL": "none",
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "CSRF_TRUSTED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
            "PORTAL_URL": f"http://127.0.0.1:{port}",
            "STATIC_ROOT": str(self.folder / "static"),
            "EMAIL_URL": "consolemail://",
            "GREENHOUSE_API_URL": sandbox,
            "GREENHOUSE_AUTH_URL": sandbox,
            "GREENHOUSE_PARTNER_CLIENT_ID": PARTNER_CLIENT_ID,
            "GREENHOUSE_PARTNER_CLIENT_SECRET": PARTNER_CLIENT_SECRET,
        }
