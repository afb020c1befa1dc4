"""How a moment is written where a page does not say otherwise: one way, in UTC, 24 hours."""

DATE_FORMAT, DATETIME_FORMAT = "j M Y", "j M Y, H:i"
