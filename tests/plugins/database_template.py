"""Migrate once, then copy: each test process starts from a template of the migrated database.

The template is keyed by a hash of every migration, so a changed migration makes a new one. On
SQLite it is a file under `var/`; on PostgreSQL a database that `CREATE DATABASE … TEMPLATE` copies.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management.sql import emit_post_migrate_signal
from django.db.backends.base.creation import BaseDatabaseCreation

KEPT_TEMPLATES = 4
_create_by_migrating = BaseDatabaseCreation.create_test_db


def pytest_configure() -> None:
    BaseDatabaseCreation.create_test_db = _create_test_db  # type: ignore[method-assign,assignment]


def _create_test_db(
    self: BaseDatabaseCreation,
    verbosity: int = 1,
    autoclobber: bool = False,
    serialize: bool = False,
    keepdb: bool = False,
) -> str:
    """Replace Django's method of the same name: copy the template instead of migrating."""
    if self.connection.vendor == "sqlite":
        name = _copy_sqlite_template(self)
    else:
        name = _copy_postgres_template(self, verbosity, autoclobber)
    self.connection.close()
    settings.DATABASES[self.connection.alias]["NAME"] = name
    self.connection.settings_dict["NAME"] = name
    with self.connection.cursor() as cursor:  # a copy is no restored backup
        cursor.execute("DELETE FROM core_databaseidentity")
    # Content types, permissions, roles and schedules follow the code, not the migrations.
    emit_post_migrate_signal(0, False, self.connection.alias)
    return name


def copy_sqlite_template(target: Path) -> None:
    """Put a migrated SQLite database there, for other processes."""
    template = _get_sqlite_template()
    with _locked():
        if not template.exists():
            _migrate_in_other_process(target)
            _keep_sqlite_template(str(target), template)
        shutil.copyfile(template, target)
    with contextlib.closing(sqlite3.connect(target)) as copy, copy:
        copy.execute("DELETE FROM core_databaseidentity")  # a copy is no restored backup


def _migrate_in_other_process(database: Path) -> None:
    """The tests' own database, in this process, stays what it is."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        "DATABASE_URL": f"sqlite:///{database}",
    }
    subprocess.run(command, cwd=settings.BASE_DIR, env=environment, check=True)  # noqa: S603  (ours)


def _keep_sqlite_template(database: str, template: Path) -> None:
    unfinished = template.with_suffix(".unfinished")
    back_up_sqlite(database, unfinished)
    unfinished.rename(template)
    _drop_old_templates(template.parent)


def _copy_sqlite_template(creation: BaseDatabaseCreation) -> str:
    target = str(creation.connection.settings_dict["TEST"]["NAME"])
    template = _get_sqlite_template()
    with _locked():
        if not template.exists():
            _create_by_migrating(creation, verbosity=0, autoclobber=True)
            creation.connection.close()
            _keep_sqlite_template(target, template)
    _remove_sqlite(target)
    shutil.copyfile(template, target)
    return target


def back_up_sqlite(source: str, target: Path) -> None:
    target.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(source)) as opened,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        opened.backup(copy)


def _remove_sqlite(name: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(name + suffix).unlink(missing_ok=True)


def _drop_old_templates(folder: Path) -> None:
    newest_first = sorted(folder.glob("*.sqlite3"), key=lambda p: p.stat().st_mtime, reverse=True)
    for template in newest_first[KEPT_TEMPLATES:]:
        template.unlink(missing_ok=True)


def _copy_postgres_template(
    creation: BaseDatabaseCreation, verbosity: int, autoclobber: bool
) -> str:
    template = f"test_template_{hash_migrations()}"
    target = creation._get_test_db_name()  # type: ignore[attr-defined]
    with _locked(), creation._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template])
        if cursor.fetchone() is None:
            unfinished = _create_by_migrating(creation, verbosity, autoclobber)
            creation.connection.close()
            cursor.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{template}"')
        cursor.execute(f'DROP DATABASE IF EXISTS "{target}"')
        cursor.execute(f'CREATE DATABASE "{target}" TEMPLATE "{template}"')
    return target


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """One process makes the template while the others wait for it."""
    with (Path(tempfile.gettempdir()) / "portal-test-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _get_sqlite_template() -> Path:
    folder = Path(settings.BASE_DIR) / "var" / "test-databases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{hash_migrations()}.sqlite3"


def hash_migrations() -> str:
    """Hash the source of every migration of the installed apps, ours and the libraries'."""
    digest = hashlib.sha256()
    for app in sorted(apps.get_app_configs(), key=lambda app: app.name):
        for path in sorted(Path(app.path).glob("migrations/*.py")):
            digest.update(f"{app.name} {path.name}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def pytest_unconfigure() -> None:
    BaseDatabaseCreation.create_test_db = _create_by_migrating  # type: ignore[method-assign]
