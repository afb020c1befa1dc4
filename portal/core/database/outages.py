from __future__ import annotations

from django.db import InterfaceError, OperationalError

# What a query raises while the database is away: nothing can be recorded, and no row is at fault.
DATABASE_AWAY = (OperationalError, InterfaceError)
