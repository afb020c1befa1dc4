from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction

P = ParamSpec("P")
R = TypeVar("R")


def audited_action(view: Callable[P, R]) -> Callable[P, R]:
    """Run a view's POST in one transaction: without its audit entry, the action did not happen."""

    @wraps(view)
    def run_view(*args: P.args, **kwargs: P.kwargs) -> R:
        request: Any = args[0]
        if request.method != "POST":
            return view(*args, **kwargs)
        with transaction.atomic():
            return view(*args, **kwargs)

    return run_view
