"""Vendor-neutral records, permissions, errors and the provider interface."""
