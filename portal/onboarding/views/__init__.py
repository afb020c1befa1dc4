"""Set-up in the browser, a file per step."""
