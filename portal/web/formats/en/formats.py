"""Default date formats: UTC, 24 hours."""

DATE_FORMAT, DATETIME_FORMAT = "j M Y", "j M Y, H:i"
