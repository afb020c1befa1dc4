"""What happens by the clock with what is old."""

from __future__ import annotations

from portal.privacy import retention


def forget_old() -> None:
    retention.forget()
