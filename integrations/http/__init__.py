"""Vendor-independent HTTP: timeouts, links, backoff, a shared rate limiter and redaction."""
