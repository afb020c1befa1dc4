"""What AUTH_PASSWORD_VALIDATORS ask for, in one line."""

PASSWORD_RULES = "At least 12 characters. Avoid common passwords, your name and your email."  # noqa: S105
