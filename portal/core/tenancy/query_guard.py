"""Refuses statements on customers' tables where no organization is active.

On the connection, below managers: whatever builds the SQL comes through here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.core.tenancy.scope import ScopeRequired, get_scope
from portal.core.tenancy.shared_models import is_shared

_WORD = re.compile(r"\w+")


def install_guard(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Called for each new database connection."""
    if require_scope not in connection.execute_wrappers:
        # First, because `execute_wrapper` takes the last one off the list.
        connection.execute_wrappers.insert(0, require_scope)


def require_scope(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    if get_scope() is None and (tables := find_customer_tables(str(sql))):
        raise ScopeRequired(f"No organization is active for {', '.join(sorted(tables))}")
    return execute(sql, params, many, context)


@lru_cache(maxsize=512)
def find_customer_tables(sql: str) -> frozenset[str]:
    return list_customer_tables().intersection(_WORD.findall(sql))


@cache
def list_customer_tables() -> frozenset[str]:
    models = apps.get_models(include_auto_created=True)
    return frozenset(model._meta.db_table for model in models if not is_shared(model))
