"""Manners on the wire for any vendor: timeouts, links, retries, a shared budget, redaction."""
